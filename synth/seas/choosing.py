"""`freedom: auto`: how far samples leave the shots' own pixels, chosen on the training side alone by cross-validation.

The shots of each type are dealt into two folds. For each fold a generator learns from the other one, with a part of the
updates, and draws some samples of each type at every candidate freedom; what helps a segmenter is judged on the shots
of the fold, which nothing of it has seen. With s(c, i) the score of candidate c on shot i, n(k) shots of type k and
d(c, i) = s(c, i) - s(0, i):

    gain(c, k) = (n(k) mean of d over k + N mean of d over all) / (n(k) + N),    N = 8
    choice(k) = the candidate of the largest gain, if that exceeds the standard error of d's mean over all shots; else 0

so that few shots of a type speak through all of them, and what may be chance leaves the shots' pixels as they are (the
rule of one standard error, Breiman et al. 1984, section 3.4.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import numpy as np

from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge as check
from synth.errors import GeneratorError
from synth.generators import Judge, Progress, Request
from synth.io.names import file_name
from synth.sample import Sample
from synth.seas.config import SeasConfig
from synth.seas.freedom import AUTO, CANDIDATES, FreedomChoice
from synth.seas.generator import SeasGenerator

FOLDS = 2
UPDATES = 0.5
"""Share of the updates that a fold's generator learns by."""
_DRAWN = 12
"""Samples of a type at each candidate."""
_TRIED = 3
"""Candidates drawn for each of them, at most."""
_TRUST = 8


def choose_freedom(
    config: SeasConfig,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    folder: Path,
    seed: int,
    judge: Judge | None,
    progress: Progress,
) -> None:
    """Choose what `auto` stands for, keep it in the models' folder and report it; nothing where it is not asked for or
    known already. The trials' models are removed once all is chosen. GeneratorError without a judge."""
    if config.freedom != AUTO:
        return
    for product in sorted({str(shot.product) for shot in shots}):
        if FreedomChoice.known(folder, product):
            continue
        if judge is None:
            raise GeneratorError(
                "generator.freedom: auto is chosen by what helps a segmenter, and none was given; call flawsmith.run, "
                "or set a number from 0 to 1"
            )
        own = sorted((shot for shot in shots if shot.product == product), key=lambda shot: shot.id)
        own_good_images = [good for good in good_images if good.product == product]
        trials = folder / "choice" / file_name(product)
        types, scores = _scores(config, own, own_good_images, trials, seed, judge, progress)
        chosen = decide({str(shot.defect) for shot in own}, types, scores)
        FreedomChoice(chosen).write(folder, product)
        rmtree(trials, ignore_errors=True)
        by_type = ", ".join(f"{defect} {freedom:g}" for defect, freedom in chosen.items())
        progress(f"{product}: freedom chosen on {len(types)} unseen shots: {by_type}", 1, 1)


def seconds_of_choosing(shots: Sequence[Sample], good_images: Sequence[Sample], learning: float, judge: Judge) -> float:
    """About how long the choice takes for a product, where its model takes `learning` seconds."""
    return FOLDS * (UPDATES * learning + len(CANDIDATES) * judge.seconds(shots, good_images))


def decide(defects: set[str], types: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    """The freedom of each of the defect types, from scores (candidates, n) on n unseen shots of `types`."""
    if scores.shape[1] < 2:
        return dict.fromkeys(sorted(defects), 0.0)
    gains = scores - scores[0]
    pooled = gains.mean(1)
    error = gains.std(1, ddof=1) / np.sqrt(gains.shape[1])
    names, chosen = np.array(types), {}
    for defect in sorted(defects):
        own = gains[:, names == defect]
        shrunk = (own.sum(1) + _TRUST * pooled) / (own.shape[1] + _TRUST)
        best = int(np.argmax(shrunk))
        chosen[defect] = CANDIDATES[best] if shrunk[best] > error[best] else 0.0
    return chosen


def dealt(shots: Sequence[Sample]) -> list[list[Sample]]:
    """The folds: the shots of each type, in the order given, by turns. A type with one shot is in none."""
    folds: list[list[Sample]] = [[] for _ in range(FOLDS)]
    by_type: dict[str, list[Sample]] = defaultdict(list)
    for shot in shots:
        by_type[str(shot.defect)].append(shot)
    for own in by_type.values():
        for turn, shot in enumerate(own if len(own) > 1 else ()):
            folds[turn % FOLDS].append(shot)
    return folds


def _scores(
    config: SeasConfig,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    folder: Path,
    seed: int,
    judge: Judge,
    progress: Progress,
) -> tuple[list[str], np.ndarray]:
    """The types of the unseen shots of all folds, and the scores (candidates, shots)."""
    types: list[str] = []
    scores = []
    for number, fold in enumerate(dealt(shots)):
        unseen = {shot.id for shot in fold}
        learnt = [shot for shot in shots if shot.id not in unseen]
        if not fold:
            continue
        progress("choosing freedom", number, FOLDS)
        made = _made(config, learnt, good_images, folder / str(number), seed, progress)
        scores.append(judge.scores(learnt, good_images, fold, made, progress))
        types += [str(shot.defect) for shot in fold]
    progress("choosing freedom", FOLDS, FOLDS)
    return types, np.concatenate(scores, axis=1) if scores else np.zeros((len(CANDIDATES), 0))


def _made(
    config: SeasConfig,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    folder: Path,
    seed: int,
    progress: Progress,
) -> list[list[Sample]]:
    """Samples that pass the checks, at each candidate freedom, all by one model."""
    kinds = sorted({(str(shot.product), str(shot.defect)) for shot in shots})
    fewer = {name: max(1, round(UPDATES * getattr(config, name))) for name in _COUNTS}
    made = []
    for candidate in reversed(CANDIDATES):  # the largest first: the model learns once
        generator = SeasGenerator(config.model_copy(update={**fewer, "freedom": candidate}), folder, seed)
        generator.fit(shots, good_images, progress)
        made.append([sample for kind in kinds for sample in _accepted(generator, *kind, seed)])
    return made[::-1]


_COUNTS = ("updates_per_defect", "mask_updates_per_defect")


def _accepted(generator: SeasGenerator, product: str, defect: str, seed: int) -> list[Sample]:
    found: list[Sample] = []
    known, config = generator.surroundings(product), ChecksConfig()
    for start in range(0, _TRIED * _DRAWN, _DRAWN):
        drawn = generator.draw([Request(product, defect, start + index, seed) for index in range(_DRAWN)])
        found += [sample for sample in drawn if not isinstance(check(sample, config, known).verdict, Reject)]
        if len(found) >= _DRAWN:
            break
    return found[:_DRAWN]
