"""Simple defect generators, for honest comparison: what a learnt generator has to beat to be worth its hours."""
