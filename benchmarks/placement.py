"""Where placed defects land, what a placement costs, and what the checks notice.

Question: do defects lie on the part and on the feature of their type, how long does one take beside OpenCV's masked
matchTemplate over the same turns, and how many planted faults are rejected: good placements moved to random places, and
masks grown by the defect's own width?
Command: python benchmarks/placement.py [--data FOLDER_WITH_SPLIT] [--products screw flange] [--count 500] [--size 256]
Without --data the built-in products, whose part and features are known exactly.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.generators import origin_of
from synth.placing.paste import paste
from synth.placing.pose import Pose, onto
from synth.placing.surroundings import Placed, Surroundings
from synth.sample import Provenance, Sample
from synth.sources import read
from synth.sources.listing import reopen
from synth.sources.procedural import read_procedural

FEATURES = {"scratch_head": 1, "scratch_neck": 2, "thread_dent": 3, "bent_tip": 4}
FORMER_SIDE, FORMER_TURNS = 320, 24


@dataclass(frozen=True)
class Made:
    """One placement with its image, mask and the seconds that it took."""

    placed: Placed
    image: np.ndarray
    mask: np.ndarray
    seconds: float


def make(known: Surroundings, defects: Sequence[str], count: int, rng: np.random.Generator) -> dict[str, list[Made]]:
    """About `count` placements, as many of each type, calibration aside."""
    made: dict[str, list[Made]] = {}
    for defect in defects:
        known.crops(defect)
        for number in range(-(-count // len(defects))):
            started = time.perf_counter()
            placed = known.place(defect, rng, turn_of=number)
            seconds = time.perf_counter() - started
            if placed is not None:
                assert placed.good.image is not None
                made.setdefault(defect, []).append(
                    Made(placed, *paste(placed.good.image, placed.crop, placed.pose), seconds)
                )
    return made


def verdict(
    defect: str, one: Made, image: np.ndarray, mask: np.ndarray, known: Surroundings, region: bool = True
) -> str:
    """What the checks say of an image and mask on the good image of a placement: a reason word, or accepted. region:
    whether they know where the part is."""
    start = origin_of(one.placed.good, part=one.placed.good.meta.get("part") if region else None)
    sample = Sample("a", image, mask, product="a", defect=defect, provenance=Provenance("pasted", 0, start=start))
    found = judge(sample, ChecksConfig(), known).verdict
    return found.reason if isinstance(found, Reject) else "accepted"


def moved(one: Made, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same defect at a random place of the same image, by at least its own extent where there is room."""
    good = one.placed.good.image
    assert good is not None
    rows, columns = np.nonzero(one.mask)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    shift: list[int] = []
    for _ in range(50):
        boxes = zip((rows, columns), good.shape, strict=False)
        shift = [int(rng.integers(-int(hit.min()), n - int(hit.max()))) for hit, n in boxes]
        if np.hypot(shift[0], shift[1]) >= extent:
            break
    near = ndimage.binary_dilation(one.mask, iterations=3)
    image = good.copy()
    image[np.roll(near, (shift[0], shift[1]), (0, 1))] = one.image[near]
    return image, np.roll(one.mask, (shift[0], shift[1]), (0, 1))


def grown(mask: np.ndarray) -> np.ndarray:
    """The mask with a rim as wide as its widest place has from the middle to the edge, 2 px at least."""
    half = ndimage.distance_transform_edt(np.pad(mask, 1)).max()
    return ndimage.distance_transform_edt(~mask) <= max(2.0, float(half))


def former(placed: Placed) -> float:
    """Seconds of one placement by masked template matching: squared differences over 24 turns at 320 px."""
    good, crop = placed.good.image, placed.crop
    assert good is not None
    started = time.perf_counter()
    scale = min(1.0, FORMER_SIDE / max(good.shape))
    small = cv2.resize(good, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    side = 2 * int(np.hypot(*crop.mask.shape) * scale / 2) + 3
    if side >= min(small.shape[:2]):
        return float("nan")
    for turn in range(FORMER_TURNS):
        pose = Pose(side // 2, side // 2, turn * 360 / FORMER_TURNS, False, scale)
        there = np.ascontiguousarray(onto(crop.image.astype(np.float32), pose, crop, 0, 0, (side, side)))
        known = onto((crop.away > 2).astype(np.float32), pose, crop, 0, 0, (side, side)) > 0.5
        ring = np.repeat(known.astype(np.float32)[..., None], 3, axis=2)
        cv2.matchTemplate(small, there, cv2.TM_SQDIFF, mask=ring).min()
    return time.perf_counter() - started


def report(name: str, samples: list[Sample], count: int) -> None:
    """One product's lines."""
    shots, good_images = ([s for s in samples if (s.defect is None) == good] for good in (False, True))
    rng = np.random.default_rng(0)
    known = Surroundings(shots, good_images)
    started = time.perf_counter()
    defects = sorted({str(shot.defect) for shot in shots})
    for defect in defects:
        known.crops(defect)
    calibration = time.perf_counter() - started
    made = make(known, defects, count, rng)
    every = [(defect, one) for defect, of_type in made.items() for one in of_type]
    print(f"{name}: {len(shots)} shots, {len(good_images)} good images, turned by up to {known.turn_limit:.0f} degrees")
    print(f"  calibration {1e3 * calibration / len(shots):.0f} ms a shot")
    times = [one.seconds for _, one in every]
    older = [former(one.placed) for _, one in every[:: max(1, len(every) // 8)]]
    print(
        f"  placement {1e3 * np.mean(times):.0f} ms (median {1e3 * np.median(times):.0f}), "
        f"masked matchTemplate {1e3 * np.nanmedian(older):.0f} ms for one good image"
    )
    started = time.perf_counter()
    own = [verdict(defect, one, one.image, one.mask, known) for defect, one in every]
    print(f"  all checks {1e3 * (time.perf_counter() - started) / len(every):.0f} ms a sample")
    print(f"  rejected of {len(own)} good placements: {counts(own)}")
    faults = [verdict(defect, one, *moved(one, rng), known) for defect, one in every]
    print(f"  rejected of {len(faults)} moved to random places: {counts(faults)}")
    blind = [verdict(defect, one, *moved(one, rng), known, False) for defect, one in every]
    print(f"  the same where the part's region is not known: {counts(blind)}")
    wide = [verdict(defect, one, one.image, grown(one.mask), known) for defect, one in every]
    print(f"  rejected of {len(wide)} masks grown by the defect's own width: {counts(wide)}")
    if "features" in good_images[0].meta:
        accepted = [pair for pair, outcome in zip(every, own, strict=True) if outcome == "accepted"]
        print(
            f"  on the part {np.mean([on_part(one) for _, one in accepted]):.1%}, on the feature of their type "
            f"{np.mean([on_feature(defect, one) for defect, one in accepted]):.1%} of {len(accepted)} accepted"
        )


def counts(verdicts: Sequence[str]) -> str:
    reasons = sorted({outcome for outcome in verdicts if outcome != "accepted"})
    named = ", ".join(f"{reason} {sum(outcome == reason for outcome in verdicts)}" for reason in reasons)
    return f"{np.mean([outcome != 'accepted' for outcome in verdicts]):.1%} ({named})"


def on_part(one: Made) -> bool:
    """Whether half the mask lies on the part, or where its outline is changed, 2 px beside it."""
    return bool(ndimage.binary_dilation(one.placed.good.meta["foreground"], iterations=2)[one.mask].mean() >= 0.5)


def on_feature(defect: str, one: Made) -> bool:
    """Whether half of what the mask covers of the part is the feature that defects of this type belong to."""
    features = one.placed.good.meta["features"][one.mask]
    return bool((features[features > 0] == FEATURES[defect]).mean() >= 0.5) if (features > 0).any() else False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with split.json; its training side is used")
    parser.add_argument("--products", nargs="+", default=["screw"])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--size", type=int, default=256)
    args = parser.parse_args()
    if args.data:
        train = [reopen(s) for s in read(args.data, split="split.json") if s.split == "train"]
        report(
            args.data.name, [s for s in train if s.defect is None or (s.mask is not None and s.mask.any())], args.count
        )
        return
    for product in args.products:
        rendered = read_procedural([product], good_images=40, test_per_defect=0, test_good_images=0, size=args.size)
        report(product, list(rendered), args.count)


if __name__ == "__main__":
    main()
