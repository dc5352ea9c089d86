"""A generator that learns nothing and paints blobs, and a folder for it: what tests of the pipeline run on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from synth import generators
from synth.generators import Declaration, Generator, Progress, Request, origin_of
from synth.io.atomic import write_whole
from synth.pipeline.runs import Run, run
from synth.recipe import Recipe
from synth.sample import Provenance, Sample
from synth.sources.listing import reopen

SIZE = (37, 53)
DEFECTS = ("crack", "stain")


def given(build: Callable[..., Generator]) -> SimpleNamespace:
    """What the registry holds for a generator that a test brings along."""
    return SimpleNamespace(open=build, needs_shots=True, unmeasured=frozenset(), trial=None, choose=None)


class BlobGenerator:
    """Darkens a rectangle of a good image; every fifth candidate has a blank mask, every seventh changed elsewhere."""

    pause = 0.0
    """Seconds slept in each step of fit and each draw."""

    def __init__(self, config: object, folder: Path, seed: int) -> None:
        self.folder = folder
        self.good_images: list[Sample] = []

    def check(self, shots: object, good_images: object, names: object) -> None:
        """Nothing to refuse."""

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        self.good_images = sorted(good_images, key=lambda good: good.id)
        for step in range(3):
            time.sleep(self.pause)
            write_whole(self.folder / f"step{step}", b"learnt")

    def surroundings(self, product: str) -> None:
        return None

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        time.sleep(self.pause)
        return [self._paint(request) for request in requests]

    def _paint(self, request: Request) -> Sample:
        rng = np.random.default_rng(request.seed)
        good = reopen(self.good_images[rng.integers(len(self.good_images))])
        assert good.image is not None
        image, mask = good.image.copy(), np.zeros(SIZE, bool)
        top, left = rng.integers(3, 24), rng.integers(3, 38)
        place = (slice(top, top + 8), slice(left, left + 11))
        image[place] //= 2
        mask[place] = request.index % 5 > 0
        if request.index % 7 == 6:
            image, mask = np.roll(good.image, 3, axis=0), mask & False
            mask[14:20, 20:30] = True
        return Sample(
            id=request.id,
            image=image,
            mask=mask,
            product=request.product,
            defect=request.defect,
            split="train",
            provenance=Provenance(
                "blobs", request.seed, request.index, origin_of(good), (0, 0, 53), {"confidence": 0.9}
            ),
        )


BLOBS = Declaration("tests.synth.blobs:BlobGenerator")


def write_source(root: Path, good_images: int = 5, shots: int = 2) -> Path:
    """A folder of images in which nothing resembles anything else."""
    rng = np.random.default_rng(11)
    for number in range(good_images):
        _save(root / "good" / f"g{number}.png", _texture(rng))
    for defect in DEFECTS:
        for number in range(shots):
            image, mask = _texture(rng), np.zeros(SIZE, np.uint8)
            mask[5:15, 20:31] = 255
            image[mask > 0] = 30
            _save(root / defect / f"{defect}{number}.png", image)
            _save(root / "ground_truth" / defect / f"{defect}{number}_mask.png", mask)
    return root


def recipe_for(source: Path, **changes: object) -> Recipe:
    """Six of each defect type in batches of four; `changes` replaces whole blocks."""
    blocks: dict[str, object] = {
        "name": "blobs",
        "seed": 3,
        "source": {"kind": "folder", "root": str(source), "product": "tile"},
        "generator": {"kind": "seas", "draw_batch": 4},
        "request": {"per_defect": 6},
        **changes,
    }
    return Recipe.model_validate(blocks)


def run_blobs(source: Path, out: Path, **changes: object) -> Run:
    """Run the blob recipe; the caller has put the blob generator into the registry."""
    return run(recipe_for(source, **changes), out)


def tree(path: Path) -> dict[str, bytes]:
    """Every file of a run that is a promise: all but the generator's own and the page."""
    kept = {}
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_file() and not name.startswith(("model/", "report/")):
            kept[name] = file.read_bytes()
    return kept


def _texture(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(90, 200, (5, 7, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def run_slowly(source: Path, out: Path, pause: float) -> None:
    """The blob recipe in a process of its own, slow enough to be killed at any step."""
    generators.GENERATORS["seas"] = BLOBS
    BlobGenerator.pause = pause
    run_blobs(source, out)
