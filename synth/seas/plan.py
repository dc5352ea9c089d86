"""What a request's seed decides before anything is drawn: the good part, the place, the outline, the window, and how
much of it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.errors import GeneratorError
from synth.generators import Request
from synth.io.user_masks import check_room, check_shape, list_masks, read_region, read_wanted, stretch
from synth.parts import part_of
from synth.placing.paste import paste
from synth.placing.surroundings import Allowed
from synth.placing.variation import draw_variation
from synth.sample import Sample
from synth.seas.compose import neighbourhood
from synth.seas.config import SeasConfig
from synth.seas.freedom import LABELLED_BY_PASTE, steps_taken
from synth.seas.placement import place
from synth.seas.product import Product, whole_if_unknown
from synth.seas.sketch import shaded
from synth.seas.window import Window, cut, widest_window, window_for
from synth.sources.listing import reopen, size_of

_GOOD_IMAGES_TRIED = 5


@dataclass(frozen=True)
class Draft:
    """Where a request's defect goes: a good part, where the product is in it (H, W) bool if known, the requested mask
    (H, W) bool, not empty, and the whole image with the defect pasted there: its label is then that mask. None of a
    defect that is drawn freely. severity: a multiple of its shot's, None of one that is no shot's."""

    good: Sample
    part: np.ndarray | None
    mask: np.ndarray
    pasted: np.ndarray | None = None
    severity: float | None = None

    @property
    def before(self) -> np.ndarray:
        """The good image (H, W, 3) uint8."""
        assert self.good.image is not None
        return self.good.image

    @property
    def begin(self) -> np.ndarray:
        """The image (H, W, 3) uint8 that drawing starts from."""
        return self.before if self.pasted is None else self.pasted

    def keeps_label(self, freedom: float) -> bool:
        """Whether the requested mask stays the label of what is drawn with this freedom."""
        return self.pasted is not None and freedom <= LABELLED_BY_PASTE


@dataclass(frozen=True)
class Start:
    """One window to draw in: what to start from (r, r, 3) uint8, where it may change (r, r) float in [0, 1] (None:
    everywhere), the defect type, the sample's own seed, how many steps are taken, and whether the mask is read off."""

    begin: np.ndarray
    free: np.ndarray | None
    defect: str
    seed: int
    taken: int
    read: bool = True


@dataclass(frozen=True)
class Drawn:
    """A drawn window: decoded image and decoded start (r, r, 3) float32, grey levels 0..255 but not clipped, and the
    mask head's probability (r, r) float32, None where it was not asked for."""

    image: np.ndarray
    begin: np.ndarray
    probability: np.ndarray | None


@dataclass(frozen=True)
class View:
    """A window of the image, the good part in it (r, r, 3) uint8, and what to draw there."""

    window: Window
    good: np.ndarray
    start: Start


@dataclass(frozen=True)
class Plan:
    """A sample as decided. freedom: its own, in [0, 1]; permitted (H, W) bool: where a mask may lie; views: the windows
    that are drawn, in order; none of a defect that is only pasted."""

    request: Request
    draft: Draft
    freedom: float
    permitted: np.ndarray
    views: Sequence[View]


class Planner:
    """Plans by a recipe's choices and the user's masks and legal region."""

    def __init__(self, config: SeasConfig) -> None:
        self._config = config
        self._region = None if config.legal_region is None else read_region(config.legal_region)

    @property
    def by_context(self) -> bool:
        """Whether defects go where their surroundings fit."""
        return self._config.placement != "anywhere" and self._config.masks is None

    def check(self, defects: Sequence[str], good_images: Sequence[Sample]) -> None:
        """GeneratorError where the user's masks or legal region leave no place on one product."""
        shapes = [size_of(good) for good in good_images]
        if self._region is not None:
            check_shape(f"generator.legal_region: {self._config.legal_region}", self._region.shape, shapes)
            wheres = (whole_if_unknown(good) for good in good_images)
            check_room(f"generator.legal_region: {self._config.legal_region}", self._region, wheres)
        masks = self._config.masks
        for path in [] if masks is None else [file for defect in defects for file in list_masks(masks, defect)]:
            mask = read_wanted(path)
            check_shape(f"generator.masks: {path}", mask.shape, shapes)
            legal = (whole_if_unknown(good) & self._legal_in(good) for good in good_images)
            check_room(f"generator.masks: {path}", mask, legal)

    def plan(self, product: Product, request: Request, limit: float, resolution: int) -> Plan | None:
        """Everything about a sample but its pixels; None where no place was found. limit: the largest freedom of its
        type; resolution: of the windows, px. GeneratorError where the user's masks or region leave no place."""
        config, rng = self._config, np.random.default_rng(request.seed)
        taken = steps_taken(limit, config.steps, rng)
        if config.masks is not None:
            taken = max(1, round(limit * config.steps))  # what lies under them is no shot's
        draft = self._draft(product, request, taken == config.steps, rng)
        if draft is None:
            return None
        permitted = self._legal(draft.mask.shape)
        if draft.pasted is None and draft.part is not None:
            permitted = permitted & draft.part
        views = [self._view(draft, request, taken, resolution, rng)] if taken else []
        return Plan(request, draft, taken / config.steps, permitted, views)

    def _view(self, draft: Draft, request: Request, taken: int, resolution: int, rng: np.random.Generator) -> View:
        """The window around the defect, and what is drawn in it."""
        config = self._config
        window = window_for(draft.mask, resolution, rng) if config.zoom else widest_window(draft.mask)
        begin, free = cut(draft.begin, window, resolution), None
        if config.mask_mode == "request":
            free = neighbourhood(cut(draft.mask, window, resolution), max(4.0, 0.08 * resolution))
        good = begin if draft.pasted is None else cut(draft.before, window, resolution)
        read = not draft.keeps_label(taken / config.steps)
        return View(window, good, Start(begin, free, request.defect, request.seed, taken, read))

    def _draft(self, product: Product, request: Request, freely: bool, rng: np.random.Generator) -> Draft | None:
        """A place on a good part; None where no surroundings fitted."""
        anywhere = self._config.placement == "anywhere"
        if self._config.masks is not None or (anywhere and freely):
            return self._outlined(product, request.defect, freely, rng)
        limits, variation = self._limits_of_place(anywhere), draw_variation(rng, self._config.severity)
        trust, turn_of = self._config.placement, request.index
        placed = product.surroundings.place(request.defect, rng, trust, limits, turn_of, variation)
        if placed is None:
            return None
        assert placed.good.image is not None
        pasted, mask = paste(placed.good.image, placed.crop, placed.pose, variation=variation)
        legal = self._legal(mask.shape)
        if not (mask & legal).any():
            return None
        pasted = np.where(legal[..., None], pasted, placed.good.image)
        part = part_of(placed.good)
        return Draft(placed.good, part, mask & legal, None if freely else pasted, variation.severity)

    def _outlined(self, product: Product, defect: str, freely: bool, rng: np.random.Generator) -> Draft:
        """A good part with an outline of the user's on it, or a new one; shaded like the shots' defects unless what
        is there is drawn freely. GeneratorError where several good parts leave no room for it."""
        for attempt in range(_GOOD_IMAGES_TRIED):
            good = reopen(product.good_images[rng.integers(len(product.good_images))])
            assert good.image is not None
            region, marks = whole_if_unknown(good), product.marks(defect)
            try:
                mask = self._outline(product, defect, region, rng)
            except GeneratorError:
                if attempt + 1 == _GOOD_IMAGES_TRIED:
                    raise
                continue
            rough = None if freely else shaded(good.image, mask, marks[int(rng.integers(len(marks)))], rng)
            return Draft(good, part_of(good), mask, rough)
        raise AssertionError("unreachable")

    def _outline(self, product: Product, defect: str, part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A requested mask (H, W) bool on the part, not empty."""
        if self._config.masks is None:
            allowed = None if self._region is None else self._legal(part.shape)
            return place(product.marks(defect), part, rng, allowed, product.directed).mask
        files = list_masks(self._config.masks, defect)
        path = files[rng.integers(len(files))]
        mask = stretch(read_wanted(path), (part.shape[0], part.shape[1])) & part & self._legal(part.shape)
        if not mask.any():
            raise GeneratorError(f"{path} leaves no pixel on the product and in the legal region; move its mark there")
        return mask

    def _limits_of_place(self, on_part: bool) -> Allowed | None:
        """Where a defect may lie in a good image: in the legal region, and on the part where surroundings do not say;
        None = everywhere."""
        if on_part:
            return lambda good: whole_if_unknown(good) & self._legal_in(good)
        return None if self._region is None else self._legal_in

    def _legal_in(self, good: Sample) -> np.ndarray:
        return self._legal(size_of(good))

    def _legal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Where defects may lie in an image of this shape (H, W), on the part or not."""
        if self._region is None:
            return np.ones(shape, dtype=bool)
        return stretch(self._region, (shape[0], shape[1]))
