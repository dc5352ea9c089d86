"""The windows drawn along a defect as one window, from which sample and mask are made as from any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from synth.seas.plan import Drawn, Plan, View
from synth.seas.strips import blended, whole
from synth.seas.window import Window, cut


def merged_window(views: Sequence[View]) -> Window:
    """The square that holds all windows of a plan, at least one."""
    return whole([view.window for view in views], len(views[0].start.begin))


def merged(plan: Plan, windows: Sequence[Drawn]) -> tuple[View, Drawn]:
    """The view of a plan that has one, and its drawing; or a square view that holds all of them, and their drawings
    blended in it. Outside of them nothing was drawn, nor may change."""
    first = plan.views[0].start
    if first.patch is None:
        return plan.views[0], windows[0]
    outer = merged_window(plan.views)
    cells = round(outer.side * len(first.begin) / plan.views[0].window.side)
    begin, nothing = cut(plan.draft.begin, outer, cells), np.zeros((cells, cells), np.float32)
    places = [view.start.patch for view in plan.views if view.start.patch is not None]
    free = blended([view.start.free for view in plan.views if view.start.free is not None], places, nothing)
    read = [drawn.probability for drawn in windows if drawn.probability is not None]
    drawn = Drawn(
        blended([one.image for one in windows], places, begin),
        blended([one.begin for one in windows], places, begin),
        blended(read, places, nothing) if read else None,
    )
    good = cut(plan.draft.before, outer, cells)
    return View(outer, good, replace(first, begin=begin, free=free, patch=None)), drawn
