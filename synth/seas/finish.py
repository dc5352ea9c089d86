"""From a plan and its drawn windows to a sample: the image, and a mask of what really appeared.

What was only pasted is taken as it is. What was drawn anew on a pasted defect is that paste and the difference
decode(drawn) - decode(paste), so that what the VAE loses cancels and little drawing changes little. Its label is the
pasted mask, corrected where the change disagrees, as long as at most half of the steps were taken; then, and for what
was drawn freely, it is read off the drawing and tightened to the shots' own outlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synth.generators import sample_of
from synth.sample import Sample
from synth.seas.compose import certainty, change_level, join, neighbourhood, to_image, true_mask, visible_change
from synth.seas.config import SeasConfig
from synth.seas.edges import RIM, corrected, tighten
from synth.seas.plan import Drawn, Plan, View
from synth.seas.product import Product
from synth.seas.window import cut


@dataclass(frozen=True)
class Found:
    """What a drawn window shows: defect (r, r) bool, the mean certainty and mean change there, and the change from
    which the eye could see it; both in grey levels."""

    defect: np.ndarray
    certainty: float
    change: float
    level: float


def finished(plan: Plan, windows: Sequence[Drawn], product: Product, config: SeasConfig) -> Sample:
    """The sample; windows: one drawing a view of the plan."""
    draft, scores = plan.draft, {"freedom": plan.freedom}
    if draft.severity is not None:
        scores["severity"] = draft.severity
    if not plan.views:
        image, mask = draft.begin, draft.mask
    elif draft.keeps_label(plan.freedom):
        image, mask = _redrawn(plan, windows, product, config)
    else:
        image, mask, read = _read_off(plan, windows, product, config)
        scores |= read
    outer = plan.views[0].window if plan.views else None
    sample = sample_of(
        plan.request,
        "seas",
        draft.good,
        image,
        mask,
        draft.part,
        window=None if outer is None else (outer.top, outer.left, outer.side),
        scores=scores,
    )
    asked = draft.mask if config.mask_mode == "request" else None
    return replace(sample, meta={"requested_mask": asked})


def _redrawn(
    plan: Plan, windows: Sequence[Drawn], product: Product, config: SeasConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The paste with what was drawn on it, and its mask where that still shows."""
    draft = plan.draft
    image = draft.begin
    for view, drawn in zip(plan.views, windows, strict=True):
        alpha = neighbourhood(draft.mask, _reach(view, config)) * plan.permitted
        image = join(image, drawn.image, drawn.begin, view.window, alpha, product.grey)
    mask, gone = corrected(draft.mask, draft.before, draft.begin, image)
    return np.where(gone[..., None], draft.before, image), mask & plan.permitted


def _read_off(
    plan: Plan, windows: Sequence[Drawn], product: Product, config: SeasConfig
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """The image with what was drawn, its mask as the drawing shows it, and scores."""
    draft = plan.draft
    (view,), (drawn,) = plan.views, windows
    found = _found(plan, view, drawn, config)
    mask = to_image(found.defect, view.window, draft.before.shape)
    if config.preserve_background:
        level = product.edge_level(plan.request.defect)
        image, mask = _laid_in(plan, view, drawn, mask & plan.permitted, level, product.grey, config)
    else:
        everywhere, patch = np.ones(mask.shape, dtype=np.float32), view.start.begin.astype(np.float32)
        image = join(draft.before, drawn.image, patch, view.window, everywhere, product.grey)
    return image, mask, {"confidence": found.certainty, "change": found.change, "visible_from": found.level}


def _laid_in(
    plan: Plan, view: View, drawn: Drawn, mask: np.ndarray, level: float, grey: bool, config: SeasConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The good part with what was drawn under the loose mask (H, W), and the mask as tight as the shots' own; what was
    drawn farther off than the rim that tightening takes, and the feather, is left out again."""
    before, begin, reach = plan.draft.before, plan.draft.begin, _reach(view, config)
    alpha = neighbourhood(mask, reach) * plan.permitted
    loose = _over(before, join(begin, drawn.image, drawn.begin, view.window, alpha, grey), alpha)
    rim = RIM * max(1.0, view.window.side / len(drawn.image))
    tight = tighten(mask, before, loose, level, rim)
    alpha = np.minimum(alpha, neighbourhood(tight, reach + rim))
    return _over(before, join(begin, drawn.image, drawn.begin, view.window, alpha, grey), alpha), tight


def _over(before: np.ndarray, after: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`after` where alpha (H, W) is above 0, (H, W, 3) uint8."""
    return np.where((alpha > 0)[..., None], after, before)


def _reach(view: View, config: SeasConfig) -> float:
    """Pixels around a mask over which a drawing fades out."""
    return max(3.0, config.feather * view.window.side)


def _found(plan: Plan, view: View, drawn: Drawn, config: SeasConfig) -> Found:
    """Read the defect off a drawn window."""
    assert drawn.probability is not None
    free = np.ones(drawn.probability.shape, dtype=bool) if view.start.free is None else view.start.free > 0
    pasted = view.start.begin.astype(np.float32) - view.good
    change = visible_change(drawn.image + pasted, drawn.begin)
    asked = cut(plan.draft.mask, view.window, len(free)) if config.mask_mode == "request" else None
    level = change_level(view.good, free, change, asked)
    if config.preserve_background:
        sure = certainty(drawn.probability, change, level, asked)
        defect = true_mask(sure, config.mask_threshold, change, level, free)
    else:
        sure = drawn.probability
        defect = sure > config.mask_threshold
    if not defect.any():
        return Found(defect, 0.0, 0.0, level)
    return Found(defect, float(sure[defect].mean()), float(change[defect].mean()), level)
