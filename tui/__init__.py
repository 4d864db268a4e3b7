"""Lockstep: the terminal console for the downtime window of a PostgreSQL migration."""

__version__ = "0.1.0"
