"""SeaS: one fine-tuned Stable Diffusion U-Net a product draws defects with their masks (arXiv 2410.14987)."""
