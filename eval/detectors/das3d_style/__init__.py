"""DAS3D-style (after arXiv 2410.09821): two networks learn to make images and depth of drawn defects good again, and a
discriminator that sees both, before and after, learns where the defects are.

Reconstructed: the method section, the code and the tables cannot be read. Confirmed is the arrangement above, and that
one modality's defect may be withheld; widths, losses and schedule are those of DRAEM, normalisation and every constant
our own. Defects are drawn during the training by the preset `das3d_like` (our reading of its synthesis) or by our own
types (`physical`).

depth.py      depth as an image of one channel
drawing.py    defects on good scans, one modality's withheld at random
network.py    the networks
losses.py     how far a batch is from good and from its masks
learning.py   the training
detector.py   `Das3dStyle`, what `eval.detectors.create("das3d_style")` gives
"""
