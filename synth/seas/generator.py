"""`SeasGenerator`: few shots and good parts of each product in, new labelled defects out (SeaS, Dai et al. 2025).

A request fixes everything: its seed picks the good part, the place, the outline and the noise. Drawing always uses the
model as saved on disk, so that a run that was interrupted ends like one that was not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from synth.errors import GeneratorError
from synth.generators import Progress, Request, sample_of, unplaced
from synth.io.names import file_name
from synth.io.user_masks import check_room, check_shape, list_masks, read_region, read_wanted, stretch
from synth.parts import part_of
from synth.placing.matcher import image_of
from synth.placing.paste import paste
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from synth.seas.base import base_configs, check_base, load_base
from synth.seas.compose import certainty, change_level, join, neighbourhood, to_image, true_mask, visible_change
from synth.seas.config import SeasConfig, SeasSettings
from synth.seas.drawing import Drawn, Start, draw_windows
from synth.seas.edges import RIM, edge_level, tighten
from synth.seas.finetune import Finetuned, check_resolution, finetune, load_finetuned, require_material, resolve
from synth.seas.grain import is_directed
from synth.seas.marks import Mark, describe
from synth.seas.placement import Placement, place
from synth.seas.prompts import check_length, check_words
from synth.seas.sketch import sketch
from synth.seas.window import Window, cut, widest_window, window_for
from synth.sources.listing import is_grey, reopen, size_of

_GOOD_IMAGES_TRIED = 5
_GOOD_IMAGES_EXAMINED = 20


@dataclass(frozen=True)
class Draft:
    """Where a request's defect goes: a good part, where the product is in it (H, W) bool if known, the requested
    mask, and either the whole image with the shot's defect pasted there, or the mark that the mask was made from."""

    good: Sample
    part: np.ndarray | None
    placement: Placement
    pasted: np.ndarray | None = None


@dataclass(frozen=True)
class Plan:
    """What a request's seed decided before anything is drawn. permitted (H, W) bool: where a mask may lie."""

    request: Request
    draft: Draft
    permitted: np.ndarray
    window: Window
    start: Start


@dataclass(frozen=True)
class Found:
    """What a drawn window shows: defect (r, r) bool, the mean certainty and mean change there, and the change from
    which the eye could see it; both in grey levels."""

    defect: np.ndarray
    certainty: float
    change: float
    level: float


class Product:
    """What drawing needs to know of one product besides its model: good images in the order of their ids, shots as
    marks."""

    def __init__(self, shots: Sequence[Sample], good_images: Sequence[Sample]) -> None:
        self.good_images = sorted(good_images, key=lambda good: good.id)
        self.grey = all(good.meta["grey"] if good.image is None else is_grey(good.image) for good in self.good_images)
        self._shots = sorted(shots, key=lambda shot: shot.id)
        self._marks: dict[str, list[Mark]] = {}
        self._edge_levels: dict[str, float] = {}
        self._surroundings: Surroundings | None = None

    @cached_property
    def directed(self) -> bool:
        """Whether the good parts' grain has a direction, by up to `_GOOD_IMAGES_EXAMINED` of them."""
        examined = self.good_images[:: max(1, len(self.good_images) // _GOOD_IMAGES_EXAMINED)]
        return is_directed((image_of(good), whole_if_unknown(good)) for good in examined)

    def surroundings(self, turn: float | None) -> Surroundings:
        """What shows where defects fit; `turn` as in `Surroundings`, the same at every call."""
        if self._surroundings is None:
            self._surroundings = Surroundings(self._shots, self.good_images, turn)
        return self._surroundings

    def marks(self, defect: str) -> list[Mark]:
        """The marks of one defect type, lifted out of its shots on first use."""
        if defect not in self._marks:
            of_type = [shot for shot in self._shots if shot.defect == defect]
            self._marks[defect] = [
                describe(shot.image, shot.mask, part_of(shot))
                for shot in of_type
                if shot.image is not None and shot.mask is not None and shot.mask.any()
            ]
        if not self._marks[defect]:
            raise GeneratorError(f"no shot of {defect!r}; known types: {sorted({str(s.defect) for s in self._shots})}")
        return self._marks[defect]

    def edge_level(self, defect: str) -> float:
        """Where the outlines of this type's shots lie, as a share of their marks' strength."""
        if defect not in self._edge_levels:
            self._edge_levels[defect] = edge_level(self.marks(defect))
        return self._edge_levels[defect]


class SeasGenerator:
    """One fine-tuned diffusion model a product, in folder/<product>/; keeps one of them in memory at a time."""

    def __init__(self, config: SeasConfig, folder: Path, seed: int) -> None:
        check_base(config.base)
        self._config, self._folder, self._seed = config, folder, seed
        self._products: dict[str, Product] = {}
        self._loaded: tuple[str, Finetuned, SeasSettings] | None = None
        self._region = None if config.legal_region is None else read_region(config.legal_region)

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for shots and good images that cannot be learnt from, for `words` of what the source has not,
        for more tokens than the base reads, and for masks or a legal region that leave no place."""
        check_words(self._config.words, names)
        configs = base_configs(self._config.base)
        check_resolution(self._config, configs)
        check_length(self._config.product_tokens + self._config.defect_tokens, configs)
        for product in sorted({str(shot.product) for shot in shots}):
            own_shots = [shot for shot in shots if shot.product == product]
            own_good_images = [good for good in good_images if good.product == product]
            require_material(own_shots, own_good_images)
            self._check_places(sorted({str(shot.defect) for shot in own_shots}), own_good_images)

    def _check_places(self, defects: Sequence[str], good_images: Sequence[Sample]) -> None:
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

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Fine-tune one model for each product among the shots; resumes where an interrupted call stopped."""
        for product in sorted({str(shot.product) for shot in shots}):
            own_shots = [shot for shot in shots if shot.product == product]
            own_good_images = [good for good in good_images if good.product == product]
            base = load_base(self._config.base)
            finetune(base, own_shots, own_good_images, self._config, self._place(product), self._seed, progress)
            self._products[product] = Product(own_shots, own_good_images)
        self._loaded = None

    def surroundings(self, product: str) -> Surroundings | None:
        """What the context of this product's defects is compared with; None where the recipe places them otherwise."""
        placed_by_context = self._config.placement != "anywhere" and self._config.masks is None
        return self._product(product).surroundings(self._config.turn) if placed_by_context else None

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; one without a mask where no place was found for it. Needs `fit` first,
        which is quick where the models are complete."""
        drawn: list[Sample] = []
        for start in range(0, len(requests), self._config.draw_batch):
            plans = [self._plan(request) for request in requests[start : start + self._config.draw_batch]]
            placed = [plan for plan in plans if isinstance(plan, Plan)]
            windows = iter(())
            if placed:
                model, settings = self._model(placed[0].request.product)
                windows = iter(draw_windows(model, [plan.start for plan in placed], settings))
            drawn += [self._finish(plan, next(windows)) if isinstance(plan, Plan) else plan for plan in plans]
        return drawn

    def _place(self, product: str) -> Path:
        return self._folder / file_name(product)

    def _model(self, product: str) -> tuple[Finetuned, SeasSettings]:
        """The product's model from disk, on the device, U-Net in the config's precision; and what to draw by."""
        if self._loaded is None or self._loaded[0] != product:
            self._loaded = None
            model = load_finetuned(self._place(product))
            device = Accelerator(mixed_precision="no").device
            model.pipeline.to(device)
            model.mask_head.to(device)
            if self._config.precision == "bf16":
                model.pipeline.unet.to(torch.bfloat16)
            self._loaded = (product, model, resolve(self._config, model.pipeline))
        return self._loaded[1:]

    def _product(self, name: str) -> Product:
        if name not in self._products:
            raise GeneratorError(f"no model of {name!r}: fit has seen {sorted(self._products)}")
        return self._products[name]

    def _plan(self, request: Request) -> Plan | Sample:
        """Decide everything about a sample but its pixels, from the request's seed alone; a sample without a mask where
        no place was found."""
        product = self._product(request.product)
        resolution = self._model(request.product)[0].settings.resolution
        rng = np.random.default_rng(request.seed)
        draft = self._draft(product, request, rng)
        if draft is None:
            return unplaced(request, "seas", reopen(product.good_images[0]))
        image, requested = draft.good.image, draft.placement.mask
        assert image is not None
        window = window_for(requested, resolution, rng) if self._config.zoom else widest_window(requested)
        patch = cut(image, window, resolution)
        sketched, free = patch, None
        if self._config.mask_mode == "request":
            mask = cut(requested, window, resolution)
            free = neighbourhood(mask, max(4.0, 0.08 * resolution))
            if self._config.sketch > 0:
                rough = self._sketched(draft, product, request.defect, patch, window, rng)
                mixed = patch + self._config.sketch * (free[..., None] > 0) * (rough.astype(np.float32) - patch)
                sketched = np.rint(mixed).astype(np.uint8)
        start = Start(patch, sketched, free, request.defect, request.seed)
        permitted = self._legal(requested.shape)
        if draft.pasted is None and draft.part is not None:
            permitted = permitted & draft.part
        return Plan(request, draft, permitted, window, start)

    def _sketched(
        self,
        draft: Draft,
        product: Product,
        defect: str,
        patch: np.ndarray,
        window: Window,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The window (r, r, 3) uint8 with a rough defect in it."""
        if draft.pasted is not None:
            return cut(draft.pasted, window, patch.shape[0])
        part = np.ones(draft.placement.mask.shape, bool) if draft.part is None else draft.part
        return sketch(patch, part, draft.placement, product.marks(defect), window, rng)

    def _draft(self, product: Product, request: Request, rng: np.random.Generator) -> Draft | None:
        """A place on a good part; None where no surroundings fitted. GeneratorError where a mask or region of the
        user's leaves none on several."""
        if self._config.placement != "anywhere" and self._config.masks is None:
            allowed = None if self._region is None else self._legal_in
            known = product.surroundings(self._config.turn)
            placed = known.place(request.defect, rng, self._config.placement, allowed, request.index)
            if placed is None:
                return None
            assert placed.good.image is not None
            pasted, mask = paste(placed.good.image, placed.crop, placed.pose)
            return Draft(placed.good, part_of(placed.good), Placement(mask & self._legal(mask.shape)), pasted)
        for attempt in range(_GOOD_IMAGES_TRIED):
            good = reopen(product.good_images[rng.integers(len(product.good_images))])
            region = whole_if_unknown(good)
            try:
                return Draft(good, part_of(good), self._request_mask(product, request.defect, region, rng))
            except GeneratorError:
                if attempt + 1 == _GOOD_IMAGES_TRIED:
                    raise
        raise AssertionError("unreachable")

    def _legal_in(self, good: Sample) -> np.ndarray:
        return self._legal(size_of(good))

    def _legal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Where defects may lie in an image of this shape (H, W), on the part or not."""
        if self._region is None:
            return np.ones(shape, dtype=bool)
        return stretch(self._region, (shape[0], shape[1]))

    def _request_mask(self, product: Product, defect: str, part: np.ndarray, rng: np.random.Generator) -> Placement:
        marks = product.marks(defect)
        if self._config.masks is None:
            allowed = None if self._region is None else self._legal(part.shape)
            return place(marks, part, rng, allowed, product.directed)
        files = list_masks(self._config.masks, defect)
        path = files[rng.integers(len(files))]
        mask = stretch(read_wanted(path), (part.shape[0], part.shape[1])) & part & self._legal(part.shape)
        if not mask.any():
            raise GeneratorError(f"{path} leaves no pixel on the product and in the legal region; move its mark there")
        return Placement(mask)

    def _finish(self, plan: Plan, drawn: Drawn) -> Sample:
        """The drawn window back in its image, with the mask of what really appeared."""
        before = plan.draft.good.image
        assert before is not None
        asked = plan.draft.placement.mask if self._config.mask_mode == "request" else None
        found = self._found(plan, drawn, asked)
        mask = to_image(found.defect, plan.window, before.shape)
        product = self._products[plan.request.product]
        if self._config.preserve_background:
            level = product.edge_level(str(plan.request.defect))
            image, mask = self._laid_in(plan, drawn, mask & plan.permitted, level, product.grey)
        else:
            everywhere, patch = np.ones(mask.shape, dtype=np.float32), plan.start.good.astype(np.float32)
            image = join(before, drawn.image, patch, plan.window, everywhere, product.grey)
        drawn_sample = sample_of(
            plan.request,
            "seas",
            plan.draft.good,
            image,
            mask,
            plan.draft.part,
            window=(plan.window.top, plan.window.left, plan.window.side),
            scores={"confidence": found.certainty, "change": found.change, "visible_from": found.level},
        )
        return replace(drawn_sample, meta={"requested_mask": asked})

    def _laid_in(
        self, plan: Plan, drawn: Drawn, mask: np.ndarray, level: float, grey: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The good part with what was drawn under the loose mask (H, W), and the mask as tight as the shots' own; what
        was drawn farther off than the rim that tightening takes, and the feather, is left out again."""
        image = plan.draft.good.image
        assert image is not None
        reach = max(3.0, self._config.feather * plan.window.side)
        alpha = neighbourhood(mask, reach) * plan.permitted
        loose = join(image, drawn.image, drawn.good, plan.window, alpha, grey)
        tight = tighten(mask, image, loose, level)
        alpha = np.minimum(alpha, neighbourhood(tight, reach + RIM))
        return join(image, drawn.image, drawn.good, plan.window, alpha, grey), tight

    def _found(self, plan: Plan, drawn: Drawn, asked: np.ndarray | None) -> Found:
        """Read the defect off a drawn window; asked (H, W) bool is the requested mask, if there was one."""
        free = np.ones(drawn.probability.shape, dtype=bool) if plan.start.free is None else plan.start.free > 0
        change, level = visible_change(drawn.image, drawn.good), change_level(plan.start.good, free)
        if self._config.preserve_background:
            wanted = None if asked is None else cut(asked, plan.window, len(free))
            sure = certainty(drawn.probability, change, level, wanted)
            defect = true_mask(sure, self._config.mask_threshold, change, level, free)
        else:
            sure = drawn.probability
            defect = sure > self._config.mask_threshold
        if not defect.any():
            return Found(defect, 0.0, 0.0, level)
        return Found(defect, float(sure[defect].mean()), float(change[defect].mean()), level)


def whole_if_unknown(good: Sample) -> np.ndarray:
    """Where the product is in a good image, (H, W) bool; everywhere where that is not known."""
    part = part_of(good)
    return np.ones(image_of(good).shape[:2], bool) if part is None else part
