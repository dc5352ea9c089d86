"""G2SF (ICCV 2025, arXiv 2503.10091), after its released code: distances to good cells, scaled by learnt factors."""
