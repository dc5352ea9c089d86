"""The loop that every training of the package runs in, its checkpoints and its log."""
