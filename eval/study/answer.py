"""The answer of a study: levels and gains of all training sets, as JSON and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eval.study.judging import LABELS, QUICK, Gain
from eval.study.pooling import Level, MeasuredCondition, by_segmenter, levels_of
from eval.study.study import Study
from synth.printable import printable


@dataclass(frozen=True)
class PooledStudy:
    """The answer: levels of all training sets, gains in IoU and in pixel AP, and in IoU on unseen types."""

    name: str
    study: Study
    conditions: list[MeasuredCondition]
    levels: list[Level]
    gains: list[Gain]
    ap_gains: list[Gain]
    unseen: list[Gain]
    training: dict[str, float]
    notes: list[str]

    @property
    def quick(self) -> bool:
        """Whether it is a quick look, without intervals."""
        return self.study.seeds == 1 and all(len(one.draws) == 1 for one in self.conditions)

    def to_json(self) -> dict[str, Any]:
        conditions = [
            {
                "name": one.name,
                "draws": len(one.draws),
                "test_images": one.images_by_type,
                "test_good_images": one.draws[0].good_images,
                "validation_shots": [draw.validation for draw in one.draws],
            }
            for one in self.conditions
        ]
        return {
            "name": self.name,
            "quick": QUICK if self.quick else None,
            "segmenters": self.study.segmenters,
            "training_sets": self.study.training_sets,
            "seeds": self.study.seeds,
            "conditions": conditions,
            "gains": [gain.to_json() for gain in self.gains],
            "ap_gains": [gain.to_json() for gain in self.ap_gains],
            "unseen_types": [gain.to_json() for gain in self.unseen],
            "levels": [level.to_json() for level in self.levels],
            "trainings": [row for one in self.conditions for row in _rows(one)],
            "training": self.training,
            "notes": self.notes,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people: the gains of every segmenter and pair, pooled first."""
        return as_lines(self)


def as_lines(judged: PooledStudy) -> list[str]:
    """The gains of every segmenter and pair, pooled first, one line each."""
    lines = [f"{judged.name}: {QUICK}" if judged.quick else f"{judged.name}: {repeats(judged)}"]
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        for pair, found in by_pair(judged.gains, segmenter):
            lines.append(f"{segmenter}, {pair_name(*pair)}: IoU points, pixel AP")
            for gain in found:
                precision = same_gain(judged.ap_gains, gain)
                lines.append(f"  {printable(gain.what):<28} {gain.points} {gain.verdict}, AP {precision.points}")
    for gain in judged.unseen:
        lines.append(
            f"unseen types: {gain.segmenter}, {pair_name(gain.training_set, gain.over)}, {printable(gain.what)}: "
            f"{gain.points} {gain.verdict}"
        )
    return lines + judged.notes


def repeats(judged: PooledStudy) -> str:
    """How many draws and trainings there are, for people."""
    draws = sorted({len(one.draws) for one in judged.conditions})
    counts = f"{draws[0]}" if len(draws) == 1 else f"{draws[0]} to {draws[-1]}"
    seeds = judged.study.seeds
    return f"{counts} draw{'s' * (draws != [1])} of the shots, {seeds} training{'s' * (seeds != 1)} of each on each"


def pair_name(training_set: str, over: str) -> str:
    """What is compared, for people."""
    return f"{LABELS[training_set]} over {LABELS[over]}"


def by_pair(gains: Sequence[Gain], segmenter: str) -> Iterator[tuple[tuple[str, str], list[Gain]]]:
    """A segmenter's gains by what is compared, ours first."""
    own = [gain for gain in gains if gain.segmenter == segmenter]
    order = dict.fromkeys((gain.training_set, gain.over) for gain in own)
    for pair in sorted(order, key=lambda pair: pair[0] != "ours_real"):
        yield pair, [gain for gain in own if (gain.training_set, gain.over) == pair]


def same_gain(gains: Sequence[Gain], wanted: Gain) -> Gain:
    """The gain of another figure in the same comparison."""
    key = (wanted.segmenter, wanted.training_set, wanted.over, wanted.what)
    return next(gain for gain in gains if (gain.segmenter, gain.training_set, gain.over, gain.what) == key)


def _rows(condition: MeasuredCondition) -> list[dict[str, Any]]:
    """The figures of every training."""
    rows = []
    for number, draw in enumerate(condition.draws):
        for result in draw.results:
            of_training = {key: result[key] for key in ("segmenter", "training_set", "seed")}
            one = replace(draw, results=[result])
            own = MeasuredCondition(condition.name, condition.images, [one])
            (level,) = levels_of([own], [result["segmenter"]], [result["training_set"]])
            rows.append({"condition": condition.name, "draw": number, **of_training, **level.figures})
    return rows
