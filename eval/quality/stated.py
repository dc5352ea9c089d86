"""What a run's records tell of its samples: which place the shots' own pixels, and whether they lie on the product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.pipeline.stored import StoredSample

PASTING = frozenset({"copy_paste", "oversample"})
"""Generators that place the shots' own pixels and do nothing else."""
_ON = 0.5


@dataclass(frozen=True, slots=True)
class Stated:
    """Of N samples: which are pasted, and the share of those whose mask lies on the product at least by half, among
    those for which the product's region is known; None where it is known for none."""

    pasted: tuple[bool, ...]
    on_foreground: float | None


def stated_in(samples: Sequence[StoredSample]) -> Stated:
    """Read the provenance and the checks' scores of accepted samples."""
    known = [sample.scores["on_product"] for sample in samples if "on_product" in sample.scores]
    on = sum(share >= _ON for share in known) / len(known) if known else None
    return Stated(tuple(places_pixels(sample) for sample in samples), on)


def places_pixels(sample: StoredSample) -> bool:
    """Whether a sample is told to be the shots' own pixels, pasted: by its freedom, or its generator."""
    made = sample.generated
    return made.generator in PASTING or made.scores.get("freedom") == 0
