"""Vote3Deep: convolutions in which the occupied cells of a grid vote, and a localiser of defects made of them.

voting.py    the convolution: which cells a kernel's votes go to, and what they add up to
voxels.py    a cloud as cells with features
network.py   layers of votes, and what each costs
training.py  hinge loss on cells, mined hard negatives
boxes.py     regions of cells, their boxes, and which to drop
detector.py  `Vote3Deep`, what `eval.detectors.create("vote3deep")` gives
"""
