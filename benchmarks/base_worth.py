"""How little does a new product need? Bases compared by what they draw after the same few CPU minutes of fine-tuning.

    python benchmarks/base_worth.py DATASET --base now=tiny --base first=FOLDER --base nothing=untrained \\
        --features squeezenet.onnx --work DIR [--minutes 2 5 10] [--against now]

Every second shot of each type is learnt from, the others are kept-back to compare with; test images are not opened.
Printed for each base and budget, mean over the types: KID of close-ups of generated against kept-back real defects
with a 95 % interval (lower is better), diversity inside the mask, agreement of mask and change, and the share of
candidates that the checks accept. Defects are drawn twice: on the shots' pasted defects, up to a freedom of 0.6, which
hides much of what the base knows, and from noise alone. Every base is asked for the same defects in the same places;
a second table says how much nearer one base's drawings come than another's, with an interval that the few kept-back
shots widen far less. Rows stand in DIR/results.jsonl: what is there is not measured again, so a stopped run is resumed,
and bases that know other words, each with its own --recipe, come into one table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from eval.features import FeatureNetwork, create, embed
from eval.metrics.bootstrap import Interval
from eval.quality.distances import kid, kid_difference
from eval.quality.diversity import intra_cluster_diversity, standardised
from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.generators import Request
from synth.io.thumbnails import close_up, cut_out
from synth.recipe import load_recipe
from synth.sample import Sample
from synth.seas.base import TINY, build_untrained
from synth.seas.config import SeasConfig
from synth.seas.generator import SeasGenerator
from synth.sources import read_source
from synth.split import make_split

MASK_SHARE = 0.6
"""Updates of the mask head for each update of the denoiser."""
PILOTS = (3, 12)
DRAWN: dict[str, dict[str, float]] = {"paste": {"freedom": 0.6}, "noise": {"freedom": 1.0}}
"""What of the recipe changes for each way of drawing."""


@dataclass(frozen=True)
class Material:
    """Shots to learn from and kept-back shots, both by type, good parts, and how the recipe would have it done."""

    learnt: dict[str, list[Sample]]
    kept_back: dict[str, list[Sample]]
    good_images: list[Sample]
    config: SeasConfig

    @property
    def shots(self) -> list[Sample]:
        return [shot for of_type in self.learnt.values() for shot in of_type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--recipe", default="recipes/magnetic_tile.yaml")
    parser.add_argument("--base", action="append", required=True, metavar="NAME=FOLDER", dest="bases")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5, 10], help="CPU minutes, all cores together")
    parser.add_argument("--each", type=int, default=24, help="candidates a type")
    parser.add_argument("--features", default="tiny_base", help="feature network that no base is part of")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--against", metavar="NAME", help="base that the others are compared with (default: the first)")
    args = parser.parse_args()
    material, network = read_material(args.recipe, args.dataset), create(args.features)
    real, learnt = (embedded(samples, network) for samples in (material.kept_back, material.learnt))
    args.work.mkdir(parents=True, exist_ok=True)
    file, measure = args.work / "results.jsonl", {"each": args.each, "features": Path(args.features).name}
    for name, base in (pair.split("=", 1) for pair in args.bases):
        config = material.config.model_copy(update={"base": located(base, args.work)})
        updates = affordable(config, material, name, args.minutes, file)
        for minutes, drawn in product(args.minutes, DRAWN):
            row = {"base": name, "minutes": minutes, "updates_per_defect": updates[minutes], "drawn": drawn} | measure
            if any(row.items() <= known.items() for known in read_rows(file)):
                continue
            folder = args.work / name / f"{minutes:g}"
            generator = fitted(config.model_copy(update=DRAWN[drawn]), material, updates[minutes], folder)
            shown, checked = drawings(generator, material, args.each)
            row |= checked | likeness(remembered(shown, network, features_file(args.work, row)), real)
            with file.open("a") as rows:
                rows.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    rows = [row for row in read_rows(file) if measure.items() <= row.items()]
    print("\n".join(table(rows)))
    print(f"the shots learnt from, in place of drawings: {likeness(learnt, real)}")
    print("\n".join(differences(rows, args.against or args.bases[0].split("=", 1)[0], real, args.work)))


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def affordable(config: SeasConfig, material: Material, name: str, budgets: list[float], file: Path) -> dict[float, int]:
    """Updates a type that each budget of CPU minutes buys: as in the rows of this base, or measured."""
    known = {row["minutes"]: row["updates_per_defect"] for row in read_rows(file) if row["base"] == name}
    if not known.keys() >= set(budgets):
        start, slope = cost(config, material)
        known = {minutes: max(1, int((60 * minutes - start) / slope)) for minutes in budgets} | known
    return known


def read_material(recipe_file: str, dataset: str) -> Material:
    recipe = load_recipe(recipe_file, [f"source.root={dataset}"])
    split = make_split(read_source(recipe.source), recipe.source, recipe.seed)
    by_type: dict[str, list[Sample]] = {}
    for shot in sorted(split.shots, key=lambda one: one.id):
        by_type.setdefault(str(shot.defect), []).append(shot)
    learnt, kept_back = ({kind: of_type[i::2] for kind, of_type in by_type.items()} for i in (0, 1))
    config = recipe.generator
    assert isinstance(config, SeasConfig)
    return Material(learnt, kept_back, list(split.good_images), config)


def located(base: str, work: Path) -> str:
    """A base to load: as given, or an untrained one of the bundled shape, saved under `work`."""
    if base != "untrained":
        return base
    folder = work / "untrained_base"
    if not folder.is_dir():
        build_untrained(TINY).save_pretrained(folder)
    return str(folder)


def cost(config: SeasConfig, material: Material) -> tuple[float, float]:
    """CPU seconds of fine-tuning: those of getting ready, and those of one update a type with its mask updates."""
    seconds = []
    for updates in PILOTS:
        with TemporaryDirectory() as folder:
            started = time.process_time()
            fitted(config, material, updates, Path(folder))
            seconds.append(time.process_time() - started)
    slope = (seconds[1] - seconds[0]) / (PILOTS[1] - PILOTS[0])
    return seconds[0] - slope * PILOTS[0], slope


def fitted(config: SeasConfig, material: Material, updates: int, work: Path) -> SeasGenerator:
    masks = max(1, round(MASK_SHARE * updates))
    config = config.model_copy(update={"updates_per_defect": updates, "mask_updates_per_defect": masks})
    generator = SeasGenerator(config, work, seed=0)
    generator.fit(material.shots, material.good_images)
    return generator


def drawings(
    generator: SeasGenerator, material: Material, each: int
) -> tuple[dict[str, list[Sample]], dict[str, float]]:
    """What is drawn for `each` requests a type, without those of blank masks, and what the checks say of all."""
    part = str(material.shots[0].product)
    shown, agreement, accepted = {}, [], []
    for kind in material.kept_back:
        drawn = generator.draw([Request(part, kind, index) for index in range(each)])
        judged = [judge(sample, ChecksConfig(), generator.surroundings(part)) for sample in drawn]
        accepted.append(np.mean([not isinstance(one.verdict, Reject) for one in judged]))
        agreement.append(np.mean([one.scores.get("agreement", 0.0) for one in judged]))
        shown[kind] = [sample for sample in drawn if sample.mask is not None and sample.mask.any()]
        if len(shown[kind]) < 4:
            raise SystemExit(f"{kind}: fewer than four of {each} masks are not blank; nothing to compare")
    return shown, {"mask_agreement": float(np.mean(agreement)), "accepted": float(np.mean(accepted))}


@dataclass(frozen=True)
class Embedded:
    """Close-ups of samples with these names (n), as the feature network sees them: whole and inside the mask (n, D)."""

    names: np.ndarray
    whole: np.ndarray
    inside: np.ndarray


def embedded(samples: dict[str, list[Sample]], network: FeatureNetwork) -> dict[str, Embedded]:
    result = {}
    for kind, of_type in samples.items():
        images, masks = close_ups(of_type)
        names = np.array([one.id for one in of_type])
        result[kind] = Embedded(names, embed(network, images), embed(network, images, masks))
    return result


def remembered(samples: dict[str, list[Sample]], network: FeatureNetwork, file: Path) -> dict[str, Embedded]:
    """The same, kept in `file` for comparing bases later."""
    result = embedded(samples, network)
    arrays = {f"{kind}/{part}": values for kind, one in result.items() for part, values in vars(one).items()}
    np.savez(file, allow_pickle=False, **arrays)
    return result


def features_file(work: Path, row: dict[str, Any]) -> Path:
    """Where the embedded drawings of a row are kept."""
    return work / row["base"] / f"{row['minutes']:g}" / f"{row['drawn']}-{row['each']}-{row['features']}.npz"


def recalled(file: Path) -> dict[str, Embedded]:
    arrays = np.load(file)
    kinds = dict.fromkeys(name.rsplit("/", 1)[0] for name in arrays)
    return {kind: Embedded(*(arrays[f"{kind}/{part}"] for part in ("names", "whole", "inside"))) for kind in kinds}


def likeness(shown: dict[str, Embedded], kept_back: dict[str, Embedded]) -> dict[str, Any]:
    """Means over the types. KID is in units of the deviation of all kept-back shots together: that of five alone would
    let one type outweigh the others."""
    distances = {}
    for kind, theirs in kept_back.items():
        ours, real = in_units(kept_back, shown[kind].whole, theirs.whole)
        distances[kind] = kid(ours, real)
    value, reach = mean_of(distances.values())
    diversity = [intra_cluster_diversity(shown[kind].inside, theirs.inside) for kind, theirs in kept_back.items()]
    return {
        "kid": value,
        "kid_reach": reach,
        "kid_by_type": {kind: distance.value for kind, distance in distances.items()},
        "diversity_in_mask": float(np.nanmean(diversity)),
    }


def in_units(kept_back: dict[str, Embedded], *features: np.ndarray) -> list[np.ndarray]:
    return standardised(np.concatenate([theirs.whole for theirs in kept_back.values()]), *features)[1:]


def mean_of(figures: Iterable[Interval]) -> tuple[float, float]:
    """Mean of independent figures and the half-width of its interval."""
    figures = list(figures)
    reaches = [(one.high - one.low) / 2 for one in figures]
    return float(np.mean([one.value for one in figures])), float(np.sqrt(np.square(reaches).sum()) / len(reaches))


def differences(rows: list[dict[str, Any]], against: str, kept_back: dict[str, Embedded], work: Path) -> list[str]:
    """How much nearer the drawings of base `against` come to the kept-back shots than those of each other base."""
    lines = [f"| drawn from | CPU minutes | base | KID above that of {against} | types above |"]
    lines.append("|---|---|---|---|---|")
    known = {(row["drawn"], row["minutes"], row["base"]): features_file(work, row) for row in rows}
    for (drawn, minutes, base), file in sorted(known.items()):
        if base == against or (drawn, minutes, against) not in known:
            continue
        other, ours = recalled(file), recalled(known[drawn, minutes, against])
        by_type = {}
        for kind, theirs in kept_back.items():
            _, i, j = np.intersect1d(other[kind].names, ours[kind].names, return_indices=True)
            x, z, y = in_units(kept_back, other[kind].whole[i], ours[kind].whole[j], theirs.whole)
            by_type[kind] = kid_difference(x, z, y)
        value, reach = mean_of(by_type.values())
        above = sum(one.value > 0 for one in by_type.values())
        lines.append(f"| {drawn} | {minutes:g} | {base} | {value:+.3f} ± {reach:.3f} | {above} of {len(by_type)} |")
    return lines


def close_ups(samples: list[Sample]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    pairs = [(one.image, one.mask) for one in samples if one.image is not None and one.mask is not None]
    boxes = [close_up(mask) for _, mask in pairs]
    cuts = [(cut_out(image, box), cut_out(mask, box)) for (image, mask), box in zip(pairs, boxes, strict=True)]
    return [image for image, _ in cuts], [mask for _, mask in cuts]


def table(results: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| drawn from | CPU minutes | base | KID | diversity in mask | mask agreement | accepted |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(results, key=lambda one: (one["drawn"], one["minutes"], one["base"])):
        lines.append(
            f"| {row['drawn']} | {row['minutes']:g} | {row['base']} | {row['kid']:.3f} ± {row['kid_reach']:.3f} "
            f"| {row['diversity_in_mask']:.2f} | {row['mask_agreement']:.2f} | {100 * row['accepted']:.0f} % |"
        )
    return lines


if __name__ == "__main__":
    main()
