"""What `flawsmith eval segmenters` reports: the figures of every training, without judging them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.study.study import Measured, Study


@dataclass(frozen=True)
class SegmenterReport:
    """Means over trainings, one line a segmenter and training set."""

    study: Study
    measured: Measured

    def rows(self) -> list[dict[str, Any]]:
        """Segmenter, training set, mean IoU over types at the threshold chosen on validation shots, and how training
        went."""
        types = np.array(self.measured.defects)
        rows = []
        for name in self.study.segmenters:
            for training_set in self.study.training_sets:
                table = self.measured.table("iou", name, training_set)
                by_type = {str(kind): float(table[:, types == kind].mean()) for kind in sorted(set(types))}
                trained = [
                    r["trained"]
                    for r in self.measured.results
                    if (r["segmenter"], r["training_set"]) == (name, training_set)
                ]
                rows.append(
                    {
                        "segmenter": name,
                        "training_set": training_set,
                        "mean_iou": float(np.mean(list(by_type.values()))),
                        "iou": by_type,
                        "pixel_ap": float(self.measured.table("pixel_ap", name, training_set).mean()),
                        "aupro_30": float(self.measured.table("aupro_30", name, training_set).mean()),
                        "seconds": sum(t["seconds"] for t in trained),
                        "data_wait_fraction": max(t["data_wait"] for t in trained),
                        "cpu_cores": float(np.mean([t["cores"] for t in trained])),
                    }
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        study, validation = self.study, self.measured.validation
        return {
            "segmenters": study.segmenters,
            "seeds": study.seeds,
            "validation_shots": validation,
            "rows": self.rows(),
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people, line by line."""
        lines = []
        for row in self.rows():
            types = ", ".join(f"{kind} {value:.3f}" for kind, value in row["iou"].items())
            lines.append(f"{row['segmenter']} on {row['training_set']}: mean IoU {row['mean_iou']:.3f} ({types})")
            busy = f"{row['cpu_cores']:.1f} CPU cores, {row['data_wait_fraction']:.0%} of the time waiting for images"
            lines.append(f"  pixel AP {row['pixel_ap']:.3f}, AUPRO@30% {row['aupro_30']:.3f}; {busy}")
        return lines
