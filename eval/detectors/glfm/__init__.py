"""GLFM: one model of many products' clouds, by features of the whole that choose a memory and of parts that search it.

stretching.py  stage I: anomalies to adapt a network by
adapting.py    stage I: the network and its training
features.py    stage II: features of groups and of the whole cloud
banks.py       stage II and III: memories of groups, one for each kind of cloud
detector.py    `GLFM`, what `eval.detectors.create("glfm")` gives
"""
