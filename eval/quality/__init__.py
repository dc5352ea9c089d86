"""What generated images are worth as images: near the real ones, various, and no copies of them."""

from __future__ import annotations

from eval.quality.copies import CopyAudit, Looks, audit_copies, look_at
from eval.quality.distances import frechet_distance, kid, squared_mmd
from eval.quality.diversity import intra_cluster_diversity
from eval.quality.manifold import precision_recall

__all__ = [
    "CopyAudit",
    "Looks",
    "audit_copies",
    "frechet_distance",
    "intra_cluster_diversity",
    "kid",
    "look_at",
    "precision_recall",
    "squared_mmd",
]
