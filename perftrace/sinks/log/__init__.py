"""The log line, by way of `logging`."""
