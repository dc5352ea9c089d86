"""Files of labels, as labelling tools export them, in place of masks."""
