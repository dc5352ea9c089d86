"""Detectors of anomalies, by name: learn what good looks like, then score and map what does not.

det = eval.detectors.create("patchcore", features="tiny_base")
det.fit(good_samples)
found = det.predict(test_samples)     # found.score (n,), found.anomaly_map n arrays (H, W); high = anomalous
det.save(folder)
det = eval.detectors.load(folder)
"""

from __future__ import annotations

from eval.detectors.detector import Detector, Prediction
from eval.detectors.registry import create, load, names

__all__ = ["Detector", "Prediction", "create", "load", "names"]
