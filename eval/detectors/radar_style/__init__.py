"""RADAR-style (after arXiv 2508.04818): a network that predicts the noise of patches of good images is asked once,
after one forward step of diffusion; where its answer has edges, the image is anomalous. No reverse steps, no
reconstruction.

Reconstructed from summaries: the code cannot be read, and step, schedule, patch size, widths and the two features are
not known. All of them are parameters with defaults of our own, so no figure of this detector is one of the paper's.

diffusion.py  the forward step, and the loss of the noise predictor
network.py    the noise predictor
tiles.py      images as overlapping tiles, and tiles blended into a map
evidence.py   from predicted noise to edges and the two features of a tile
forest.py     an isolation forest as tensors
learning.py   the training on patches of good images
detector.py   `RadarStyle`, what `eval.detectors.create("radar_style")` gives
"""
