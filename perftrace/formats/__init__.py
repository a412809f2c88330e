"""Text and bytes <-> records: pure, both directions of a format in one file."""
