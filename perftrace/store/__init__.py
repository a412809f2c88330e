"""The embedded store: a folder that processes append records to, and that readers read meanwhile."""
