"""RAD (arXiv 2601.22763): cells compared with the same places of the good images that look most alike.

scoring.py   the method: pure functions of features and memory
maps.py      from distances of cells to a map and an image score
memory.py    the memory, grown in a file and mapped from it
detector.py  `Rad`, what `eval.detectors.create("rad")` gives
"""
