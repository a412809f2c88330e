"""What records mean: pure functions and the results that they give."""
