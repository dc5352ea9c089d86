"""What a run came to, as lines for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synth.checks.ledger import counts_by_type

if TYPE_CHECKING:
    from synth.pipeline.runs import Run


@dataclass(frozen=True)
class Summary:
    """A finished run and the minutes that this call took."""

    run: Run
    minutes: float

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        for result in self.run.yields:
            rejected = ", ".join(f"{reason} {count}" for reason, count in result.reasons.items())
            kind = f"{result.product}/{result.defect}"
            lines.append(f"{kind:<32} {result.accepted:>5} accepted of {result.attempts} drawn  {rejected}".rstrip())
            if 2 * sum(result.reasons.values()) > result.attempts:
                lines.append(f"  most often rejected because: {result.cause}")
        lines += [f"short of what was asked: {missing}" for missing in self.run.shortfalls]
        if dropped := sum(result.dropped for result in self.run.yields):
            lines.append(f"dropped by hand: {dropped}, which count towards the quota")
        if refused := sum(result.rejected for result in self.run.yields):
            lines.append(f"rejected by hand: {refused}, others take their place")
        lines += self.run.inferred
        if self.run.validation:
            lines.append(f"shots kept for validation: {counts_by_type(self.run.validation)}")
        pairs = len(self.run.manifest)
        lines.append(f"{pairs} pairs of image and mask in {self.minutes:.1f} minutes: {self.run.path}")
        lines.append(f"look at them: {self._page}")
        return lines

    def to_json(self) -> dict[str, Any]:
        yields = [
            {
                "product": result.product,
                "defect": result.defect,
                "accepted": result.accepted,
                "attempts": result.attempts,
                "rejected": result.reasons,
            }
            for result in self.run.yields
        ]
        return {
            "path": str(self.run.path),
            "page": self._page,
            "minutes": round(self.minutes, 2),
            "accepted": len(self.run.manifest),
            "dropped": sum(result.dropped for result in self.run.yields),
            "rejected_by_hand": sum(result.rejected for result in self.run.yields),
            "yields": yields,
            "most_often": {f"{one.product}/{one.defect}": one.cause for one in self.run.yields if one.cause},
            "inferred": self.run.inferred,
            "validation": self.run.validation,
            "shortfalls": [str(missing) for missing in self.run.shortfalls],
        }

    @property
    def _page(self) -> str:
        return str(self.run.folder.report / "index.html")
