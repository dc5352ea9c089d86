"""What every defect generator offers, `fit(shots, good_images)` then `draw(requests)`, and the registry of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from synth.errors import GeneratorError, SourceError
from synth.io.images import SUFFIXES, content_hash, read_image
from synth.progress import Progress
from synth.sample import Origin, Provenance, Sample

if TYPE_CHECKING:
    from synth.placing.surroundings import Surroundings

BECAUSE = ", the last one because "
"""Between what could not be drawn and the reason: what follows the last one in a failure is its cause."""


@dataclass(frozen=True, slots=True)
class Request:
    """One defect asked for. `index` counts within (product, defect); `run_seed` is the recipe's seed.

    What a generator draws depends on these four values alone, not on batch mates, workers or order."""

    product: str
    defect: str
    index: int
    run_seed: int = 0

    @property
    def id(self) -> str:
        return f"{self.product}-{self.defect}-{self.index:05d}"

    @property
    def seed(self) -> int:
        """A 63-bit seed that is the same on every machine and differs for every request."""
        text = f"{self.run_seed}/{self.product}/{self.defect}/{self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Generator(Protocol):
    """Learns from a few defective shots and good parts, then draws labelled defects."""

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for whatever `fit` or `draw` would refuse of them, or of the files that the config names;
        before anything is written. names: of all products and defect types of the source."""

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Learn. Continues from what an interrupted call left in the generator's folder; no-op when complete. Good
        images may come closed: `synth.sources.listing.reopen` gives one of them its pixels."""

    def surroundings(self, product: str) -> Surroundings | None:
        """What the context of this product's defects is compared with by the checks; None where it is not checked."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; all requests of one call name the same product."""


class Judge(Protocol):
    """Says what helps a segmenter; what is chosen by trials is chosen by it. `synth` has none: the caller gives one."""

    def scores(
        self,
        shots: Sequence[Sample],
        good_images: Sequence[Sample],
        unseen: Sequence[Sample],
        candidates: Sequence[Sequence[Sample]],
        progress: Progress,
    ) -> np.ndarray:
        """(candidates, unseen), higher is better: how well a segmenter that has learnt from shots, good images and the
        synthetic samples of a candidate finds the defect of each unseen shot."""

    def seconds(self, shots: Sequence[Sample], good_images: Sequence[Sample]) -> float:
        """About how long a candidate takes on this machine."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a generator says of itself before it is built.

    build: where it is made, as "module:name" of a callable (its config, a folder of its own, the run's seed) ->
    Generator, imported on first use. needs_shots: it learns from defective samples, so that its defect types are
    theirs; otherwise they are its config's `types`. trains: whether, by its config, what it learns depends on all
    defect types at once, so that none can be added later. unmeasured: scores of `synth.checks.mask.SCORES` that say
    nothing of what it draws. trial: of a generator that takes long to fit, "module:name" of a callable (its config,
    shots, good images, a folder, the run's seed, a `Judge` or None) -> (a generator fitted a little, the seconds that
    fitting it wholly takes).
    choose: of one with open choices, "module:name" of a callable (its config, shots, good images, folder, the run's
    seed, a `Judge` or None, progress) that makes them in its folder before it is fitted."""

    build: str
    needs_shots: bool = True
    trains: Callable[[Any], bool] = lambda config: False
    unmeasured: frozenset[str] = frozenset()
    trial: str | None = None
    choose: str | None = None

    def open(self, config: Any, folder: Path, seed: int) -> Generator:
        """The generator, not fitted yet."""
        made: Generator = imported(self.build)(config, folder, seed)
        return made


def imported(place: str) -> Any:
    """What stands at "module:name"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


# Their masks are exact by construction and their heights fall off towards the rim, often below the noise.
_EXACT = frozenset({"tight", "unchanged"})

GENERATORS: dict[str, Declaration] = {
    "seas": Declaration(
        "synth.seas.generator:SeasGenerator",
        trains=lambda config: any(config.limits),
        trial="synth.seas.trial:try_out",
        choose="synth.seas.choosing:choose_freedom",
    ),
    "dual": Declaration("synth.dual.generator:DualGenerator", needs_shots=False, unmeasured=_EXACT),
    "dual_preset": Declaration("synth.dual.presets.generator:PresetGenerator", needs_shots=False, unmeasured=_EXACT),
    "cutpaste": Declaration("synth.baselines.cutpaste:generator"),
    "perlin": Declaration("synth.baselines.perlin:generator"),
    "copy_paste": Declaration("synth.baselines.copy_paste:CopyPasteGenerator"),
    "oversample": Declaration("synth.baselines.oversample:OversampleGenerator"),
}
"""By the `kind` of a recipe's generator block."""


def origin_of(good: Sample, **more: Any) -> Origin:
    """Where a sample drawn onto `good` started from; more: further fields of Origin."""
    known = good.meta.get("sha256")
    if known is None:
        known = content_hash(good.image if good.image is not None else _geometry(good))
    file = good.meta.get("file")
    return Origin(good.id, known, None if file is None else str(file), good.image, **more)


def sample_of(
    request: Request,
    generator: str,
    good: Sample,
    image: np.ndarray,
    mask: np.ndarray,
    part: np.ndarray | None,
    **more: Any,
) -> Sample:
    """The sample of a request, made from a good image in which the product covers `part` (H, W) bool, if known. more:
    further fields of its provenance, such as `scores`."""
    if good.image is None:
        raise GeneratorError(f"{good.id} has no image to draw on")
    origin = origin_of(good, part=part)
    return Sample(
        id=request.id,
        image=image,
        mask=mask,
        product=request.product,
        defect=request.defect,
        split="train",
        provenance=Provenance(generator, request.seed, request.index, origin, **more),
    )


def unplaced(request: Request, generator: str, good: Sample) -> Sample:
    """What a generator gives for a request for which it found no place: a good image without a mask, and why."""
    if good.image is None:
        raise GeneratorError(f"{good.id} has no image to draw on")
    blank = np.zeros(good.image.shape[:2], bool)
    failure = "no place was found where its surroundings fit"
    return sample_of(request, generator, good, good.image, blank, None, failure=failure)


def check_textures(folder: Path | None) -> None:
    """GeneratorError where an image of a folder of textures cannot be read; nothing where no folder is named."""
    for file in () if folder is None else texture_files(folder):
        try:
            read_image(file)
        except SourceError as problem:
            raise GeneratorError(f"generator.textures: {problem}") from problem


def texture_files(folder: Path) -> list[Path]:
    """The images below a folder of textures; GeneratorError where there are none."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise GeneratorError(f"generator.textures: no image in {folder}; put textures there, or leave it out")
    return files


def _geometry(good: Sample) -> np.ndarray:
    if good.xyz is not None:
        return good.xyz
    if good.cloud is None:
        raise GeneratorError(f"{good.id} has neither an image nor a cloud to draw on")
    return good.cloud.points
