"""Detectors measured on data sets: `flawsmith eval detectors`."""
