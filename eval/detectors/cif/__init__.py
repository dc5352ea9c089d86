"""CIF: a few-shot detector whose memory knows which tokens belong together."""
