"""The `flawsmith` command line."""
