"""Results of the analysis -> text and pictures."""
