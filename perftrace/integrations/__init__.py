"""Where perftrace meets other packages; each file imports the one that it is named for."""
