"""SeaS: one fine-tuned Stable Diffusion U-Net a product draws defects with their masks (arXiv 2410.14987)."""

import os

# Read by the libraries when they are imported: no notices about torchvision, which is not used here.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
