"""What synthetic defects say about a detector: a threshold, and how detectors rank.

Scores in, figures out; no detector runs here. Scores: high = anomalous.
"""

from __future__ import annotations

from eval.calibration.agreement import RankAgreement, Ranked, rank_agreement
from eval.calibration.calibrate import Calibration, Rule, Scores, calibrate
from eval.calibration.domain import Domain, check_domain, shuffled_control
from eval.calibration.page import as_markdown

__all__ = [
    "Calibration",
    "Domain",
    "RankAgreement",
    "Ranked",
    "Rule",
    "Scores",
    "as_markdown",
    "calibrate",
    "check_domain",
    "rank_agreement",
    "shuffled_control",
]
