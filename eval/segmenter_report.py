"""What `flawsmith eval segmenters` tells: the figures of every training, without judging them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.campaign import Campaign, Measured


@dataclass(frozen=True)
class SegmenterReport:
    """Means over trainings, one line a segmenter and arm."""

    campaign: Campaign
    measured: Measured

    def rows(self) -> list[dict[str, Any]]:
        """Segmenter, arm, mean IoU over types at the validation's threshold, and how training went."""
        types = np.array(self.measured.defects)
        rows = []
        for name in self.campaign.segmenters:
            for arm in self.campaign.arms:
                table = self.measured.table("iou", name, arm)
                by_type = {str(kind): float(table[:, types == kind].mean()) for kind in sorted(set(types))}
                trained = [r["trained"] for r in self.measured.results if (r["segmenter"], r["arm"]) == (name, arm)]
                rows.append(
                    {
                        "segmenter": name,
                        "arm": arm,
                        "mean_iou": float(np.mean(list(by_type.values()))),
                        "iou": by_type,
                        "pixel_ap": float(self.measured.table("pixel_ap", name, arm).mean()),
                        "aupro_30": float(self.measured.table("aupro_30", name, arm).mean()),
                        "seconds": sum(t["seconds"] for t in trained),
                        "waiting": max(t["starved"] for t in trained),
                        "cores": float(np.mean([t["cores"] for t in trained])),
                    }
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        return {"segmenters": self.campaign.segmenters, "seeds": self.campaign.seeds, "rows": self.rows()}

    def __str__(self) -> str:
        lines = []
        for row in self.rows():
            types = ", ".join(f"{kind} {value:.3f}" for kind, value in row["iou"].items())
            lines.append(f"{row['segmenter']} on {row['arm']}: mean IoU {row['mean_iou']:.3f} ({types})")
            busy = f"{row['cores']:.1f} CPU cores, {row['waiting']:.0%} of the time waiting for pictures"
            lines.append(f"  pixel AP {row['pixel_ap']:.3f}, AUPRO@30% {row['aupro_30']:.3f}; {busy}")
        return "\n".join(lines)
