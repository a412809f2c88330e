"""Tells why a bot or async service is slow, and which step to fix first."""

__version__ = "0.1.0.dev0"
