"""Where events end: one-way out, one thing each."""
