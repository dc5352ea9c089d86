"""How little does a new product need? Bases compared by what they draw after the same few CPU minutes of fine-tuning.

    python benchmarks/base_worth.py DATASET --base now=tiny --base first=FOLDER --base nothing=untrained \\
        --features squeezenet.onnx --work DIR [--minutes 2 5 10]

Every second shot of each type is learnt from, the others are held back to compare with; test pictures are not opened.
Printed for each base and budget, mean over the types: KID of close-ups of generated against held-back real defects
with a 95 % interval (lower is better), diversity inside the mask, agreement of mask and change, and the share of
candidates that the checks accept. Defects are drawn twice: as the recipe has it, from a sketch made of the shots, which
hides much of what the base knows, and from noise alone. Rows stand in DIR/results.jsonl: what is there is not measured
again, so a stopped run goes on, and bases that know other words, each with its own --recipe, come into one table.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from eval.features import FeatureNetwork, create, embed
from eval.quality.distances import kid
from eval.quality.diversity import intra_cluster_diversity, standardised
from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.foreground import foreground
from synth.generator import Request
from synth.recipe import load_recipe
from synth.sample import Sample
from synth.seas.base import TINY, build_untrained
from synth.seas.config import SeasConfig
from synth.seas.generator import SeasGenerator
from synth.sources import read_source
from synth.split import make_split
from synth.writers.thumbnails import close_up, cut_out

MASK_SHARE = 0.6
"""Updates of the mask head for each update of the denoiser."""
PILOTS = (3, 12)
DRAWN: dict[str, dict[str, float]] = {"sketch": {}, "noise": {"sketch": 0.0, "strength": 1.0}}
"""What of the recipe changes for each way of drawing."""


@dataclass(frozen=True)
class Material:
    """Shots to learn from and held-back shots, both by type, good parts, and how the recipe would have it done."""

    learnt: dict[str, list[Sample]]
    held_back: dict[str, list[Sample]]
    goods: list[Sample]
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
    args = parser.parse_args()
    material, network = read_material(args.recipe, args.dataset), create(args.features)
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
            row |= figures(generator, material, network, args.each)
            with file.open("a") as rows:
                rows.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    print("\n".join(table(read_rows(file))))
    print(f"the shots learnt from, in place of drawings: {likeness(material.learnt, material.held_back, network)}")


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def affordable(config: SeasConfig, material: Material, name: str, budgets: list[float], file: Path) -> dict[float, int]:
    """Updates a type that each budget of CPU minutes buys: as in the rows of this base, or measured."""
    known = {row["minutes"]: row["updates_per_defect"] for row in read_rows(file) if row["base"] == name}
    if not known.keys() >= set(budgets):
        start, slope = cost(config, material, file.parent / name)
        known = {minutes: max(1, int((60 * minutes - start) / slope)) for minutes in budgets} | known
    return known


def read_material(recipe_file: str, dataset: str) -> Material:
    recipe = load_recipe(recipe_file, [f"source.root={dataset}"])
    split = make_split(read_source(recipe.source), recipe.source, recipe.seed)
    by_type: dict[str, list[Sample]] = {}
    for shot in sorted(split.shots, key=lambda one: one.id):
        by_type.setdefault(str(shot.defect), []).append(shot)
    learnt, held_back = ({kind: of_type[i::2] for kind, of_type in by_type.items()} for i in (0, 1))
    config = recipe.generator
    assert isinstance(config, SeasConfig)
    return Material(learnt, held_back, list(split.goods), config)


def located(base: str, work: Path) -> str:
    """A base to load: as given, or an untrained one of the bundled shape, saved under `work`."""
    if base != "untrained":
        return base
    folder = work / "untrained_base"
    if not folder.is_dir():
        build_untrained(TINY).save_pretrained(folder)
    return str(folder)


def cost(config: SeasConfig, material: Material, work: Path) -> tuple[float, float]:
    """CPU seconds of fine-tuning: those of getting ready, and those of one update a type with its mask updates."""
    seconds = []
    for updates in PILOTS:
        started = time.process_time()
        fitted(config, material, updates, work / f"pilot_{updates}")
        seconds.append(time.process_time() - started)
    slope = (seconds[1] - seconds[0]) / (PILOTS[1] - PILOTS[0])
    return seconds[0] - slope * PILOTS[0], slope


def fitted(config: SeasConfig, material: Material, updates: int, work: Path) -> SeasGenerator:
    masks = max(1, round(MASK_SHARE * updates))
    config = config.model_copy(update={"updates_per_defect": updates, "mask_updates_per_defect": masks})
    generator = SeasGenerator(config, work, seed=0)
    generator.fit(material.shots, material.goods)
    return generator


def figures(generator: SeasGenerator, material: Material, network: FeatureNetwork, each: int) -> dict[str, Any]:
    """Means over the types of what the checks say, and the likeness to the held-back shots."""
    part = str(material.shots[0].product)
    shown, agreement, accepted = {}, [], []
    for kind in material.held_back:
        drawn = generator.draw([Request(part, kind, index) for index in range(each)])
        judged = [judge(sample, ChecksConfig(), foreground) for sample in drawn]
        accepted.append(np.mean([not isinstance(one.verdict, Reject) for one in judged]))
        agreement.append(np.mean([one.scores.get("agreement", 0.0) for one in judged]))
        shown[kind] = [sample for sample in drawn if sample.mask is not None and sample.mask.any()]
        if len(shown[kind]) < 4:
            raise SystemExit(f"{kind}: fewer than four of {each} masks are not blank; nothing to compare")
    checked = {"mask_agreement": float(np.mean(agreement)), "accepted": float(np.mean(accepted))}
    return likeness(shown, material.held_back, network) | checked


def likeness(
    shown: dict[str, list[Sample]], held_back: dict[str, list[Sample]], network: FeatureNetwork
) -> dict[str, Any]:
    """Means over the types; the interval is that of a mean of independent figures. KID is in units of the deviation of
    all held-back shots together: that of five alone would let one type outweigh the others."""
    real = {kind: embed(network, *close_ups(samples)[:1]) for kind, samples in held_back.items()}
    every = np.concatenate(list(real.values()))
    by_type, reaches, diversity = {}, [], []
    for kind, theirs in real.items():
        _, theirs, ours = standardised(every, theirs, embed(network, *close_ups(shown[kind])[:1]))
        distance = kid(ours, theirs)
        by_type[kind] = distance.value
        reaches.append((distance.high - distance.low) / 2)
        inside = [embed(network, *close_ups(samples)) for samples in (shown[kind], held_back[kind])]
        diversity.append(intra_cluster_diversity(*inside))
    return {
        "kid": float(np.mean(list(by_type.values()))),
        "kid_reach": float(np.sqrt(np.square(reaches).sum()) / len(reaches)),
        "kid_by_type": by_type,
        "diversity_in_mask": float(np.nanmean(diversity)),
    }


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
