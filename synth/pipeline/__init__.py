"""Making a run: read, split, fit, generate, check, write."""
