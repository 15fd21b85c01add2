"""The adapter: attached to a family's modules, read from and written to files."""
