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
from eval.quality.copies import CopyAudit, Looks, Pair, audit_copies, look_at, near_duplicates, share_with_interval
from eval.quality.distances import frechet_distance, kid
from eval.quality.diversity import intra_cluster_diversity, standardised
from eval.quality.faithfulness import Faithfulness, faithfulness
from eval.quality.manifold import precision_recall
from eval.quality.outlines import FAR, Outline, Tightness, compare, outline_of
from eval.quality.stated import Stated, stated_in
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.atomic import write_whole
from synth.io.json_text import json_text
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
    masks: list[Tightness]
    on_foreground: float | None
    copies: dict[str, Any]
    near_duplicates: list[tuple[str, str]]
    warnings: list[str]
    made_from: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        figures = {name: v.to_json() if isinstance(v, Interval) else v for name, v in self.figures.items()}
        return {**vars(self), "figures": figures, "masks": [one.to_json() for one in self.masks]}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people, line by line."""
        lines = [f"{self.generated} generated images against {self.shots} shots"]
        lines += [f"  {name:<44} {v if isinstance(v, Interval) else f'{v:.3f}'}" for name, v in self.figures.items()]
        lines += ["  drawn masks over the shots', medians by type:", *(f"    {one}" for one in self.masks)]
        if self.on_foreground is not None:
            lines.append(f"  on the foreground: {_percent(self.on_foreground)} (at least half of the mask)")
        lines += _copy_lines(self.copies)
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
    stated = stated_in(run.manifest)
    audit = audit_copies(generated.looks, real.looks)
    duplicates = near_duplicates(generated.looks, audit.defect_limit)
    pairs = [(generated.ids[i], generated.ids[j]) for i, j in duplicates]
    progress("measuring quality", 3, 3)
    made, shots = len(generated.ids), len(real.ids)
    if min(made, shots) < SMALL:
        warned.append(f"{made} generated images and {shots} shots are few: mind the intervals")
    masks = compare(generated.outlines, real.outlines)
    warned += [
        f"{one.product}/{one.defect}: the median {' and '.join(one.far_off)} off the shots' by more than {FAR:.0%}"
        for one in masks
        if one.far_off
    ]
    copies = _copies(audit, stated, generated.ids, real.ids)
    return Quality(str(path), made, shots, figures, masks, stated.on_foreground, copies, pairs, warned, run.made_from)


def write_quality(found: Quality, folder: Path) -> None:
    """Keep the figures in quality.json, which names no place of the machine."""
    kept = found.to_json() | {"run": Path(found.run).resolve().name}
    write_whole(folder / "quality.json", (json_text(kept, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Described:
    """What is compared of N images: feature vectors (N, D) by where they look, "whole" or "in mask", looks and
    outlines."""

    ids: list[str]
    features: dict[str, np.ndarray]
    looks: Looks
    outlines: list[Outline]


def describe(samples: Iterable[Sample], network: FeatureNetwork) -> Described:
    """Describe images with their masks, BATCH at a time: none is kept."""
    ids: list[str] = []
    outlines: list[Outline] = []
    features: dict[str, list[np.ndarray]] = {"whole": [], "in mask": []}

    def pairs() -> Iterator[Pair]:
        rest = iter(samples)
        while batch := list(islice(rest, BATCH)):
            shown = [_image(sample) for sample in batch]
            images, masks = [image for image, _ in shown], [mask for _, mask in shown]
            features["whole"].append(embed(network, images))
            features["in mask"].append(embed(network, images, masks))
            ids.extend(sample.id for sample in batch)
            outlines.extend(map(outline_of, batch))
            yield from shown

    looks = look_at(pairs())
    return Described(ids, {where: np.concatenate(found) for where, found in features.items() if found}, looks, outlines)


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


def _copies(audit: CopyAudit, stated: Stated, samples: Sequence[str], shots: Sequence[str]) -> dict[str, Any]:
    """The audit by what the run says of its samples: of those that place the shots' own pixels, how many are found by
    their pixels; of the drawn ones, which are copies. rate: of the drawn; None where there are none."""
    pasted = np.array(stated.pasted)
    rate, interval = share_with_interval(audit.flags[~pasted])
    flags = []
    for index in np.flatnonzero(audit.flags & ~pasted).tolist():
        whole = bool(audit.whole[index] < audit.whole_limit)
        nearest = int((audit.whole_nearest if whole else audit.defect_nearest)[index])
        flags.append(
            {
                "id": samples[index],
                "shot": shots[nearest],
                "how": "the whole image" if whole else "the defect",
                "similarity": 1 - float((audit.whole if whole else audit.defect)[index]),
            }
        )
    medians = {
        "median_distance_whole": float(np.median(audit.whole)),
        "median_distance_defect": float(np.median(audit.defect)),
        "median_distance_whole_between_shots": float(np.median(audit.whole_real)),
        "median_distance_defect_between_shots": float(np.median(audit.defect_real)),
    }
    limits = {"limit_whole": audit.whole_limit, "limit_defect": audit.defect_limit}
    counts = {
        "pasted": int(pasted.sum()),
        "pasted_found": int(audit.flags[pasted].sum()),
        "drawn": int((~pasted).sum()),
    }
    return {**counts, "rate": rate, "interval": interval, **limits, **medians, "flags": flags}


def _copy_lines(copies: dict[str, Any]) -> list[str]:
    """What is told of copies: those that were asked for first."""
    lines, every = [], copies["pasted"] + copies["drawn"]
    if copies["pasted"]:
        found = f"{copies['pasted_found']} of them found by their pixels"
        lines.append(f"  {copies['pasted']} of {every} place the shots' own pixels (freedom 0), as asked; {found}")
    if copies["drawn"]:
        low, high = (f"{100 * value:.1f}" for value in copies["interval"])
        share = f"{100 * copies['rate']:.1f} % [{low}, {high}]"
        lines.append(f"  {copies['drawn']} drawn: {len(copies['flags'])} copies of shots, {share}")
    lines += [
        f"    {flag['id']} repeats {flag['shot']} ({flag['how']}, similarity {flag['similarity']:.2f})"
        for flag in copies["flags"][:10]
    ]
    return lines


def _percent(share: float) -> str:
    """100 % for all of them only."""
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{min(100 * share, 99.9):.1f} %"


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
