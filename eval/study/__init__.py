"""Studies: segmenters trained on several training sets, compared on the same test images."""
