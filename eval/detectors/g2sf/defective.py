"""Samples with pseudo-anomalies, made of good ones: by the published scheme, or by the dual-modality synthesizer.

Each is drawn from the seed and its number alone; one that finds no room is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eval.detectors.g2sf.composites import Warp, composite, scan_of
from synth.dual import DefectSpec, DualSynthesizer
from synth.errors import GeneratorError
from synth.sample import Sample
from synth.sources.listing import reopen

_COMPOSITES = 1
"""Purpose of draws."""


def published(samples: Sequence[Sample], size: tuple[int, int], count: int, warp: Warp, seed: int) -> Iterator[Sample]:
    """Composites of good samples with image and xyz, at `size`: see `composites`."""
    scans = [scan_of(reopen(sample), size) for sample in samples]
    for number in range(count):
        made = composite(scans, warp, np.random.default_rng([seed, _COMPOSITES, number]))
        if made is not None:
            scan, mask = made
            yield Sample(f"composite-{number:06d}", scan.image, mask, scan.xyz)


def drawn(samples: Sequence[Sample], count: int, defects: Sequence[str], seed: int) -> Iterator[Sample]:
    """Good samples with one defect of `synth.dual` each, its types in turn."""
    synthesizers = [DualSynthesizer(DefectSpec.of(kind)) for kind in defects]
    for one in synthesizers[1:]:
        one.share(synthesizers[0])
    for number in range(count):
        rng = np.random.default_rng([seed, _COMPOSITES, number])
        good = reopen(samples[int(rng.integers(len(samples)))])
        try:
            yield synthesizers[number % len(synthesizers)].draw(good, int(rng.integers(2**31)))
        except GeneratorError:
            continue
