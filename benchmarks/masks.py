"""Do the checks of masks have teeth? Faults are planted on good samples of finished runs and judged again.

Question: which share of each planted fault is rejected, and which share of what the generator drew itself?
Command: python benchmarks/masks.py RUN [RUN ...] [--count 12]
RUN: a finished run whose source is still there. Its first candidates of each type are drawn again with its own model.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from synth.checks import Reject
from synth.checks.mask import judge
from synth.generators import GENERATORS, Request
from synth.pipeline.guards import check_environment
from synth.pipeline.job import Job, Worker
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.runs import Run
from synth.placing.surroundings import Surroundings
from synth.placing.turning import ellipse
from synth.recipe import Recipe
from synth.sample import Sample

PLACES_TRIED = 200


@dataclass(frozen=True)
class Drawn:
    """Candidates of one product with what the checks compare them with."""

    recipe: Recipe
    samples: list[Sample]
    surroundings: Surroundings | None

    def reason(self, sample: Sample) -> str:
        """The reason word of the checks' verdict, or accepted."""
        unmeasured = GENERATORS[self.recipe.generator.kind].unmeasured
        verdict = judge(sample, self.recipe.checks, self.surroundings, unmeasured).verdict
        return verdict.reason if isinstance(verdict, Reject) else "accepted"


def draw_again(path: str, count: int) -> Iterator[Drawn]:
    """The first `count` candidates of every type of a run, product by product."""
    run = Run(path)
    split = prepare(run.recipe, silent).split
    job = Job(run.recipe, run.folder.model, split.shots, split.good_images, check_environment(run.folder))
    generator = Worker(job).generator()
    kinds = sorted({(one.product, str(one.defect)) for one in run.manifest})
    for product in sorted({product for product, _ in kinds}):
        defects = [defect for own, defect in kinds if own == product]
        requests = [Request(product, defect, index, run.recipe.seed) for defect in defects for index in range(count)]
        yield Drawn(run.recipe, generator.draw(requests), generator.surroundings(product))


def half_width(mask: np.ndarray) -> float:
    """From the middle of the widest place to the outline, px."""
    return float(ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge")).max())


def grown(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """The mask grown by half its own width, 2 px at least."""
    mask = _mask(sample)
    return replace(sample, mask=ndimage.distance_transform_edt(~mask) <= max(2.0, half_width(mask)))


def shifted(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """The mask moved across by its own width, 3 px at least, where most of it stays in the image."""
    mask = _mask(sample)
    across = ellipse(mask)[0] + np.pi / 2 + np.pi * rng.integers(2)
    far = max(3.0, 2 * half_width(mask))
    for way in (1, -1):
        rows, columns = round(way * far * np.sin(across)), round(way * far * np.cos(across))
        moved = _moved(mask, rows, columns)
        if moved.sum() > 0.8 * mask.sum():
            return replace(sample, mask=moved)
    return None


def with_island(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """A disc of good surface added to the mask, of 10 to 30 % of its area, 4 px at least in radius."""
    mask, start = _mask(sample), _start(sample)
    radius = max(4.0, float(np.sqrt(rng.uniform(0.1, 0.3) * mask.sum() / np.pi)))
    free = ndimage.distance_transform_edt(~(mask | (_image(sample) != start).any(axis=2)))
    middle = _any(free > radius + 1, rng)
    if middle is None:
        return None
    rows, columns = np.indices(mask.shape)
    return replace(sample, mask=mask | (np.hypot(rows - middle[0], columns - middle[1]) <= radius))


def half_good(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """The good surface again under half of the mask."""
    side = _side(_mask(sample))
    return replace(sample, image=np.where(side[..., None], _start(sample), _image(sample)))


def half_marked(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """Half of the defect no longer marked."""
    mask = _mask(sample)
    return replace(sample, mask=mask & ~_side(mask))


def ring(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """The mask without its inside, a rim of a quarter of its half width, 2 px at least; wide ones only."""
    mask = _mask(sample)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    inside = depth > max(2.0, 0.25 * half_width(mask))
    return replace(sample, mask=mask & ~inside) if inside.sum() > 0.4 * mask.sum() else None


def second_defect(sample: Sample, rng: np.random.Generator) -> Sample | None:
    """The defect a second time, elsewhere and without a mask."""
    mask, start = _mask(sample), _start(sample)
    near = ndimage.binary_dilation(mask, iterations=3)
    rows, columns = np.nonzero(near)
    shape = mask.shape
    for _ in range(PLACES_TRIED):
        down = int(rng.integers(-rows.min(), shape[0] - rows.max()))
        right = int(rng.integers(-columns.min(), shape[1] - columns.max()))
        if not near[rows + down, columns + right].any():
            image, change = _image(sample).copy(), _image(sample).astype(np.int16) - start
            there = image[rows + down, columns + right] + change[rows, columns]
            image[rows + down, columns + right] = np.clip(there, 0, 255).astype(np.uint8)
            return replace(sample, image=image)
    return None


FAULTS: dict[str, Callable[[Sample, np.random.Generator], Sample | None]] = {
    "mask grown by half its width": grown,
    "mask shifted by its width": shifted,
    "island of good surface": with_island,
    "half of it unchanged": half_good,
    "half of it not marked": half_marked,
    "ring only": ring,
    "a second defect, not marked": second_defect,
}


def _mask(sample: Sample) -> np.ndarray:
    assert sample.mask is not None
    return sample.mask


def _image(sample: Sample) -> np.ndarray:
    assert sample.image is not None
    return sample.image


def _start(sample: Sample) -> np.ndarray:
    made = sample.provenance
    assert made is not None
    assert made.start is not None
    assert made.start.image is not None
    return made.start.image


def _side(mask: np.ndarray) -> np.ndarray:
    """The image's pixels on one side of a line across the mask that halves it, (H, W) bool."""
    angle = ellipse(mask)[0]
    rows, columns = np.indices(mask.shape)
    along = columns * np.cos(angle) + rows * np.sin(angle)
    return along > np.median(along[mask])


def _moved(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return ndimage.shift(mask.astype(np.uint8), (rows, columns), order=0) > 0


def _any(places: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    found = np.argwhere(places)
    return found[rng.integers(len(found))] if len(found) else None


def report(path: str, count: int) -> None:
    """The lines of one run."""
    rng = np.random.default_rng(0)
    for drawn in draw_again(path, count):
        own = [(sample, drawn.reason(sample)) for sample in drawn.samples]
        good = [sample for sample, reason in own if reason == "accepted"]
        print(f"{path}, {good[0].product if good else ''}: {len(own)} candidates")
        print(f"  {'as drawn':<32} {counts([reason for _, reason in own])}")
        for name, plant in FAULTS.items():
            planted = [fault for sample in good if (fault := plant(sample, rng)) is not None]
            found = [(str(fault.defect), drawn.reason(fault)) for fault in planted]
            missed = Counter(defect for defect, reason in found if reason == "accepted")
            left = ", ".join(f"{n} of {defect}" for defect, n in sorted(missed.items()))
            print(f"  {name:<32} {counts([reason for _, reason in found])}{'; missed: ' + left if left else ''}")


def counts(reasons: list[str]) -> str:
    """As in "rejected 95 % of 40 (wide_mask 30, misplaced 8)"."""
    by = Counter(reason for reason in reasons if reason != "accepted")
    share = sum(by.values()) / len(reasons) if reasons else float("nan")
    return f"rejected {share:6.1%} of {len(reasons):3d} ({', '.join(f'{r} {n}' for r, n in by.most_common())})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--count", type=int, default=12, help="candidates of each defect type")
    args = parser.parse_args()
    for path in args.runs:
        report(path, args.count)


if __name__ == "__main__":
    main()
