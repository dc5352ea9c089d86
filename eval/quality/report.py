"""What `flawsmith eval quality` measures on a finished run: all of `eval.quality`, by defect type and in all.

Everything is read from the run's own folder, a few images at a time: its synthetic samples, the shots it learnt from
and the good images that were drawn onto. Test images are not needed and not touched.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from eval.features import FeatureNetwork, create, embed
from eval.features.network import BATCH
from eval.metrics.bootstrap import Interval
from eval.quality.copies import CopyAudit, Looks, Pair, audit_copies, look_at, near_duplicates
from eval.quality.distances import frechet_distance, kid
from eval.quality.diversity import intra_cluster_diversity, standardised
from eval.quality.faithfulness import Faithfulness, faithfulness
from eval.quality.manifold import precision_recall
from synth.errors import EvalError
from synth.generators import Progress
from synth.pipeline.real import read_real
from synth.pipeline.runs import Run
from synth.sample import Sample

SMALL = 50
"""Images of either kind below which every figure carries a warning."""


@dataclass(frozen=True)
class Quality:
    """The figures of a run. `figures` maps a name, with the feature network in it, to a number or an interval;
    `warnings` say which of them small samples spoil."""

    run: str
    generated: int
    shots: int
    figures: dict[str, float | Interval]
    copies: dict[str, Any]
    near_duplicates: list[tuple[str, str]]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        figures = {name: v.to_json() if isinstance(v, Interval) else v for name, v in self.figures.items()}
        return {**vars(self), "figures": figures}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people, line by line."""
        lines = [f"{self.generated} generated images against {self.shots} shots"]
        lines += [f"  {name:<44} {v if isinstance(v, Interval) else f'{v:.3f}'}" for name, v in self.figures.items()]
        low, high = (f"{100 * value:.1f}" for value in self.copies["interval"])
        lines.append(f"  copies of shots: {100 * self.copies['rate']:.1f} % [{low}, {high}]")
        lines += [f"    {flag['id']} repeats {flag['shot']} ({flag['how']})" for flag in self.copies["flags"][:10]]
        lines.append(f"  near-duplicates among the generated: {len(self.near_duplicates)} pairs")
        return [*lines, *(f"  note: {warning}" for warning in self.warnings)]


def measure_quality(path: str | Path, features: str, progress: Progress) -> Quality:
    """Measure the finished run at `path` with a feature network by name. EvalError where it holds too little."""
    run = Run(path)
    network = create(features)
    progress("measuring quality", 0, 3)
    generated, real = (describe(samples, network) for samples in (run.samples(), _shots(run)))
    if len(generated.ids) < 4 or len(real.ids) < 4:
        counts = f"{len(generated.ids)} samples and {len(real.ids)} shots"
        raise EvalError(f"{path} has {counts}; quality needs at least 4 of each")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        figures = distances_and_diversity(generated, real, network.name)
    warned = sorted({str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)})
    progress("measuring quality", 1, 3)
    figures |= _named(faithfulness(run.samples(), _good_images(run)))
    progress("measuring quality", 2, 3)
    audit = audit_copies(generated.looks, real.looks)
    duplicates = near_duplicates(generated.looks, audit.defect_limit)
    pairs = [(generated.ids[i], generated.ids[j]) for i, j in duplicates]
    progress("measuring quality", 3, 3)
    made, shots = len(generated.ids), len(real.ids)
    if min(made, shots) < SMALL:
        warned.append(f"{made} generated images and {shots} shots are few: mind the intervals")
    return Quality(str(path), made, shots, figures, _copies(audit, generated.ids, real.ids), pairs, warned)


@dataclass(frozen=True)
class Described:
    """What is compared of N images: feature vectors (N, D) by where they look, "whole" or "in mask", and looks."""

    ids: list[str]
    features: dict[str, np.ndarray]
    looks: Looks


def describe(samples: Iterable[Sample], network: FeatureNetwork) -> Described:
    """Describe images with their masks, BATCH at a time: none is kept."""
    ids: list[str] = []
    features: dict[str, list[np.ndarray]] = {"whole": [], "in mask": []}

    def pairs() -> Iterator[Pair]:
        rest = iter(samples)
        while batch := list(islice(rest, BATCH)):
            shown = [_image(sample) for sample in batch]
            images, masks = [image for image, _ in shown], [mask for _, mask in shown]
            features["whole"].append(embed(network, images))
            features["in mask"].append(embed(network, images, masks))
            ids.extend(sample.id for sample in batch)
            yield from shown

    looks = look_at(pairs())
    return Described(ids, {where: np.concatenate(found) for where, found in features.items() if found}, looks)


def distances_and_diversity(
    generated: Described, real: Described, network: str, seed: int = 0
) -> dict[str, float | Interval]:
    """Figures of feature vectors, standardised by the shots, of whole images and inside the masks. "KID of two real
    halves" is what KID gives for no difference at all at half of the shots' number."""
    figures: dict[str, float | Interval] = {}
    for where in real.features:
        theirs, ours = standardised(real.features[where], generated.features[where])
        label = f"{network}, {where}"
        precision, recall = precision_recall(ours, theirs)
        figures |= {
            f"KID ({label})": kid(ours, theirs),
            f"Frechet distance ({label})": frechet_distance(ours, theirs),
            f"intra-cluster diversity ({label})": intra_cluster_diversity(ours, theirs),
            f"precision ({label})": precision,
            f"recall ({label})": recall,
        }
        if len(theirs) >= 8:
            order = np.random.default_rng(seed).permutation(len(theirs))
            half = len(theirs) // 2
            figures[f"KID of two real halves ({label})"] = kid(theirs[order[:half]], theirs[order[half:]])
    return figures


def _named(kept: Faithfulness | None) -> dict[str, float | Interval]:
    if kept is None:
        return {}
    return {
        "background change (grey levels)": kept.background_change,
        "background untouched (share)": kept.background_untouched,
        "mask alignment (IoU of mask and change)": kept.alignment,
    }


def _copies(audit: CopyAudit, samples: Sequence[str], shots: Sequence[str]) -> dict[str, Any]:
    rate, low, high = audit.rate
    flags = []
    for index in np.flatnonzero(audit.flags).tolist():
        whole = bool(audit.whole[index] < audit.whole_limit)
        nearest = int((audit.whole_nearest if whole else audit.defect_nearest)[index])
        flags.append(
            {
                "id": samples[index],
                "shot": shots[nearest],
                "how": "the whole image" if whole else "the defect",
                "distance": float((audit.whole if whole else audit.defect)[index]),
            }
        )
    medians = {
        "median_distance_whole": float(np.median(audit.whole)),
        "median_distance_defect": float(np.median(audit.defect)),
        "median_distance_whole_between_shots": float(np.median(audit.whole_real)),
        "median_distance_defect_between_shots": float(np.median(audit.defect_real)),
    }
    limits = {"limit_whole": audit.whole_limit, "limit_defect": audit.defect_limit}
    return {"rate": rate, "interval": [low, high], **limits, **medians, "flags": flags}


def _shots(run: Run) -> Iterator[Sample]:
    """The shots that the run keeps, read one at a time."""
    for entry in read_real(run.folder):
        if entry.role == "shot":
            yield entry.load(run.path)


def _good_images(run: Run) -> Callable[[str], np.ndarray | None]:
    """What reads the good image of a content hash, or gives None."""
    known = {str(entry.content): entry for entry in read_real(run.folder) if entry.role == "good"}
    return lambda sha256: known[sha256].load(run.path).image if sha256 in known else None


def _image(sample: Sample) -> Pair:
    if sample.image is None or sample.mask is None:
        raise EvalError(f"{sample.id} has no image or no mask; quality needs both")
    return sample.image, sample.mask
