"""`SeasGenerator`: few shots and good parts of each product in, new labelled defects out (SeaS, Dai et al. 2025).

A request fixes everything: its seed picks the good part, the place, the outline, how much is drawn anew, and the noise.
Drawing always uses the model as saved on disk, so that a run that was interrupted ends like one that was not. Where
nothing is drawn anew, no model is learnt or loaded, and nothing that takes seconds to import is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import GeneratorError
from synth.generators import Progress, Request, unplaced
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from synth.seas.config import SeasConfig
from synth.seas.finish import finished
from synth.seas.freedom import OTHERS, FreedomChoice, choose
from synth.seas.material import require_material
from synth.seas.plan import Drawn, Plan, Planner
from synth.seas.product import Product
from synth.seas.words import check_name, check_words
from synth.sources.listing import reopen

if TYPE_CHECKING:
    from synth.seas.models import Models


class SeasGenerator:
    """Pastes defects, draws them anew to the degree that `freedom` says, or freely."""

    def __init__(self, config: SeasConfig, folder: Path, seed: int) -> None:
        self._config, self._folder = config, folder
        self._planner = Planner(config)
        self._products: dict[str, Product] = {}
        self._choices: dict[str, FreedomChoice] = {}
        self._models: Models | None = None
        if any(config.limits):
            from synth.seas.models import Models

            self._models = Models(config, folder, seed)

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for shots and good images that cannot be learnt from, for names that the source has not, for
        more tokens than the base reads, and for masks or a legal region that leave no place."""
        check_words(self._config.words, names)
        for name in self._config.freedom if isinstance(self._config.freedom, dict) else ():
            if name != OTHERS:
                check_name("generator.freedom", name, names)
        if self._models is not None:
            self._models.check()
        for own_shots, own_good_images in _by_product(shots, good_images):
            require_material(own_shots, own_good_images)
            self._planner.check(sorted({str(shot.defect) for shot in own_shots}), own_good_images)

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Fine-tune one model for each product of which something is drawn, on the shots of those types; resumes where
        an interrupted call stopped."""
        for own_shots, own_good_images in _by_product(shots, good_images):
            require_material(own_shots, own_good_images)
            product = str(own_shots[0].product)
            choice = self._settled(product, [str(shot.defect) for shot in own_shots])
            drawn = [shot for shot in own_shots if shot.defect in choice.drawn]
            if drawn:
                assert self._models is not None
                reads = choice.reads_masks or self._config.masks is not None
                self._models.fit(drawn, own_good_images, reads, progress)
            self._products[product] = Product(own_shots, own_good_images, self._config.turn)
        self._choices = {}

    def surroundings(self, product: str) -> Surroundings | None:
        """What the context of this product's defects is compared with; None where the recipe places them otherwise."""
        return self._product(product).surroundings if self._planner.by_context else None

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; one without a mask where no place was found for it. Needs `fit` first,
        which is quick where the models are complete."""
        drawn: list[Sample] = []
        for start in range(0, len(requests), self._config.draw_batch):
            batch = requests[start : start + self._config.draw_batch]
            plans = [self._plan(request) for request in batch]
            windows = iter(self._drawn([plan for plan in plans if plan is not None]))
            drawn += [
                self._unplaced(request) if plan is None else self._finished(plan, [next(windows) for _ in plan.views])
                for request, plan in zip(batch, plans, strict=True)
            ]
        return drawn

    def _plan(self, request: Request) -> Plan | None:
        """Everything about a sample but its pixels; None where no place was found."""
        product = self._product(request.product)
        limit = self._choice(request.product).of(request.defect)
        resolution = 0
        if limit > 0:
            assert self._models is not None
            resolution = self._models.resolution(request.product)
        return self._planner.plan(product, request, limit, resolution)

    def _drawn(self, plans: Sequence[Plan]) -> list[Drawn]:
        """All windows of these plans."""
        starts = [view.start for plan in plans for view in plan.views]
        if not starts:
            return []
        assert self._models is not None
        return self._models.draw(plans[0].request.product, starts)

    def _finished(self, plan: Plan, windows: Sequence[Drawn]) -> Sample:
        return finished(plan, windows, self._product(plan.request.product), self._config)

    def _unplaced(self, request: Request) -> Sample:
        return unplaced(request, "seas", reopen(self._product(request.product).good_images[0]))

    def _settled(self, product: str, defects: Sequence[str]) -> FreedomChoice:
        """What the recipe says, or what was chosen before; kept beside the models."""
        freedom = self._config.freedom
        if isinstance(freedom, str):
            return FreedomChoice.read(self._folder, product)
        choice = choose(freedom, defects)
        choice.write(self._folder, product)
        return choice

    def _choice(self, product: str) -> FreedomChoice:
        if product not in self._choices:
            self._choices[product] = FreedomChoice.read(self._folder, product)
        return self._choices[product]

    def _product(self, name: str) -> Product:
        if name not in self._products:
            raise GeneratorError(f"no model of {name!r}: fit has seen {sorted(self._products)}")
        return self._products[name]


def _by_product(shots: Sequence[Sample], good_images: Sequence[Sample]) -> list[tuple[list[Sample], list[Sample]]]:
    """The shots and the good images of each product that has shots, by its name."""
    return [
        ([shot for shot in shots if shot.product == product], [good for good in good_images if good.product == product])
        for product in sorted({str(shot.product) for shot in shots})
    ]
