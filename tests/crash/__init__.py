"""The crash windows, as a table."""
