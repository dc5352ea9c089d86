"""How far a sample leaves the shots' own pixels: one dial, from pasting them (0) to drawing freely (1).

The dial is the share of the denoising steps that are taken: a pasted defect is noised to the level that these steps
begin at and drawn anew from there, so that 0 leaves it as it was pasted and 1 nothing of it.
A recipe sets the largest value for each defect type. Below 1 every sample has its own, drawn evenly from 0 to that, so
that a dataset spans all of it; at 1 every sample is drawn freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth.errors import GeneratorError
from synth.io.names import file_name, same_name
from synth.io.sealed import read_sealed, write_sealed

Freedom = float | dict[str, float]
"""One value for all defect types, or values by their names, with `default` for the others."""
OTHERS = "default"
AUTO = "auto"
"""The value of a recipe that leaves the choice to `synth.seas.choosing`, among these:"""
CANDIDATES = (0.0, 0.25, 0.5)
LABELLED_BY_PASTE = 0.5
"""Freedom up to which the label of a pasted defect stays its own; masks are read off drawings beyond it."""


@dataclass(frozen=True)
class FreedomChoice:
    """The largest freedom of each defect type of one product, in [0, 1]."""

    by_defect: Mapping[str, float]

    def of(self, defect: str) -> float:
        """GeneratorError for a type that nothing was chosen for."""
        if defect not in self.by_defect:
            raise GeneratorError(f"no shot of {defect!r}; known types: {sorted(self.by_defect)}")
        return self.by_defect[defect]

    @property
    def drawn(self) -> frozenset[str]:
        """The defect types for which a model is needed."""
        return frozenset(defect for defect, freedom in self.by_defect.items() if freedom > 0)

    @property
    def reads_masks(self) -> bool:
        """Whether masks are read off drawings, so that the model has to learn that."""
        return any(freedom > LABELLED_BY_PASTE for freedom in self.by_defect.values())

    @staticmethod
    def known(folder: Path, product: str) -> bool:
        """Whether a choice is kept there."""
        return _file(folder, product).exists()

    def write(self, folder: Path, product: str) -> None:
        """Keep the choice beside the product's model."""
        write_sealed(_file(folder, product), dict(self.by_defect))

    @classmethod
    def read(cls, folder: Path, product: str) -> FreedomChoice:
        """What `write` kept. GeneratorError where nothing was, or it is damaged."""
        path = _file(folder, product)
        try:
            return cls(read_sealed(path))
        except FileNotFoundError as absent:
            raise GeneratorError(f"no model of {product!r}: fit has not seen it ({path} is missing)") from absent
        except (OSError, ValueError) as problem:
            raise GeneratorError(f"{path} is damaged ({problem}): run the same command again") from problem


def choose(freedom: Freedom, defects: Iterable[str]) -> FreedomChoice:
    """What a recipe's `freedom` says of these defect types."""
    return FreedomChoice({defect: largest(freedom, defect) for defect in sorted(set(defects))})


def largest(freedom: Freedom, defect: str) -> float:
    """The value of one defect type."""
    if not isinstance(freedom, dict):
        return freedom
    named = (value for name, value in freedom.items() if name != OTHERS and same_name(name, defect))
    return next(named, freedom[OTHERS])


def steps_taken(limit: float, steps: int, rng: np.random.Generator) -> int:
    """How many of all `steps` a sample takes, by the largest freedom of its type; taken / steps is its own freedom."""
    own = limit * rng.uniform()  # drawn in either case: what follows from the generator is then the same
    return steps if limit == 1 else round(own * steps)


def _file(folder: Path, product: str) -> Path:
    return folder / f"{file_name(product)}.freedom.json"
