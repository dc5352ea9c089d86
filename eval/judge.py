"""What helps a segmenter, judged on shots that it has not seen: a run's generator makes its open choices by this."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synth.generators import Progress
from synth.sample import Sample

if TYPE_CHECKING:
    from eval.segmenters.segmenter import Segmenter

_SEGMENTER = "lfd"
_RESOLUTION, _STEPS = 128, 150
_TIMED = 4


class SegmenterJudge:
    """A `synth.generators.Judge` by average precision over the pixels of each unseen shot."""

    def scores(
        self,
        shots: Sequence[Sample],
        good_images: Sequence[Sample],
        unseen: Sequence[Sample],
        candidates: Sequence[Sequence[Sample]],
        progress: Progress,
    ) -> np.ndarray:
        """(candidates, unseen), of a small segmenter trained alike on every candidate."""
        from eval.metrics import average_precision

        pool, judged = _resized([*shots, *good_images]), _resized(unseen)
        scores = []
        for number, made in enumerate(candidates):
            progress("judging candidates", number, len(candidates))
            maps = _trained([*pool, *_resized(made)], _STEPS).predict(judged)
            scores.append(
                [average_precision(found, np.asarray(sample.mask)) for found, sample in zip(maps, judged, strict=True)]
            )
        progress("judging candidates", len(candidates), len(candidates))
        return np.array(scores)

    def seconds(self, shots: Sequence[Sample], good_images: Sequence[Sample]) -> float:
        """By a few steps of a training."""
        pool = _resized([*shots, *good_images[:_TIMED]])
        began = time.perf_counter()
        _trained(pool, _TIMED)
        return (time.perf_counter() - began) / _TIMED * _STEPS


def _trained(samples: Sequence[Sample], steps: int) -> Segmenter:
    """A segmenter that has learnt for that many steps; its threshold is of no use."""
    from eval.segmenters import create

    segmenter = create(_SEGMENTER, resolution=_RESOLUTION, steps=steps, validate_every=steps)
    segmenter.fit(samples, [sample for sample in samples if sample.defect is not None and sample.provenance is None])
    return segmenter


def _resized(samples: Sequence[Sample]) -> list[Sample]:
    from eval.study.training_sets import resized
    from synth.sources.listing import reopen

    return [resized(reopen(sample), _RESOLUTION) for sample in samples]
