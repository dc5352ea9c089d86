"""A sink that keeps what is written in memory, small samples of every kind, and masks that are hard to hold."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synth.sample import Instance, InstanceMasks, Provenance, Sample
from synth.writers import WRITERS


class Held:
    """As FolderSink, without a folder."""

    def __init__(self):
        self.files = {}

    def put(self, name, file):
        self.files[name] = file if isinstance(file, bytes) else file.content

    @contextmanager
    def file(self, name):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            yield path
            self.files[name] = path.read_bytes()

    @contextmanager
    def scratch(self, name):
        with TemporaryDirectory() as folder:
            yield str(Path(folder) / name)


def written(name, samples):
    """The files of a format by name."""
    sink = Held()
    WRITERS[name].write(iter(samples), sink)
    return sink.files


MASKS = st.tuples(st.integers(1, 11), st.integers(1, 11)).flatmap(
    lambda size: arrays.arrays(np.bool_, size, elements=st.booleans())
)
"""Masks with holes, pieces of one pixel, corners that touch, and pieces on every border."""

HARD = {
    "one pixel": ["......", "..#...", "......"],
    "a ring around a piece": ["#####", "#...#", "#.#.#", "#...#", "#####"],
    "two holes that touch by a corner": ["#####", "#.###", "##.##", "#####"],
    "pieces that touch by corners": ["#.#.", ".#.#", "#.#."],
    "a hole that touches the border by a corner": ["####", "#.##", "##.#", "###."],
    "all of the image": ["####", "####"],
    "one row": ["#.##.#"],
    "one column": ["#", ".", "#", "#"],
    "a ladder of holes": ["#########", "#.#.#.#.#", "#########", "#.#.#.#.#", "#########"],
}
"""What a tracer may get wrong, each drawn."""


def drawn(rows):
    """Bool (H, W) from text, # = defect."""
    return np.array([[sign == "#" for sign in row] for row in rows])


def hard_samples():
    """A sample for each mask of HARD, of two types by turns, and a good one; enlarged until each size is one that no
    other has."""
    samples = []
    for number, (name, rows) in enumerate(HARD.items()):
        mask = np.pad(drawn(rows), ((0, 9 + number), (0, 13)))
        samples.append(sample(name, mask, ("crack", 'Blow hole/ü, <deep> & "wide"')[number % 2], number))
    return [*samples, sample("good one", np.zeros((23, 29), bool), None, 90), sample("kept", mask & False, None, 91)]


def sample(name, mask, kind, seed=0, **fields):
    """A sample of noise with that mask."""
    image = np.random.default_rng(seed).integers(0, 255, (*mask.shape, 3), dtype=np.uint8)
    fields = {"product": "Tile ß", "split": ("train", "test", "validation")[seed % 3]} | fields
    return Sample(f"tiles/x y/{name}.png", image, mask, defect=kind, **fields)


def with_depth(number):
    """A sample that every format can hold: good ones for training and for testing, and two types of defects."""
    rows, columns = np.indices((11, 13), dtype=np.float32)
    xyz = np.stack([columns, rows, np.ones_like(rows)], -1) * np.float32(0.01) + np.float32(0.5)
    mask = np.zeros((11, 13), bool)
    kind = (None, "crack", None, "stain")[number % 4]
    mask[2:5, 3 + number % 3 : 8] = mask[8, 11] = kind is not None
    split = "test" if number % 4 == 2 else "train"
    return sample(f"part {number}", mask, kind, number, xyz=xyz, split=split)


def with_instances():
    """A mask of one connected piece that two instances share, one of them with a second piece, and a pixel of none."""
    mask = drawn(["######..#", "######..#", ".........", "....#...."])
    number = np.where(mask, 1, 0).astype(np.int16)
    number[:, 3:] *= 2
    number[3, 4] = 0
    made = Provenance("test", 7, instances=(Instance("crack"), Instance("crack")), masks=InstanceMasks(number))
    return sample("two", mask, "crack", 5, provenance=made)
