"""What a person says of the segmenters of a study, as KEY=VALUE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.segmenters import SEGMENTERS
from synth.errors import EvalError
from synth.recipe.safe_yaml import BadYaml, parse

QUICK_STEPS = 150
"""Optimiser steps of a quick look, where none are asked for."""


def parse_settings(names: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Segmenter -> its parameters, from KEY=VALUE for all and NAME.KEY=VALUE for one. EvalError for anything else."""
    parsed: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting in settings:
        key, equals, text = setting.partition("=")
        name, dot, own = key.partition(".")
        if not equals or not key or (dot and name not in parsed):
            raise EvalError(f"--set {setting}: wanted KEY=VALUE or NAME.KEY=VALUE with NAME among {', '.join(parsed)}")
        for chosen in [name] if dot else parsed:
            try:
                _, parsed[chosen][own if dot else key] = parse(text)
            except BadYaml as problem:
                raise EvalError(f"--set {key}=...: {problem}") from problem
    return parsed


def quickly(segmenters: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same with the few steps of a quick look where no steps are given."""
    return {name: {"steps": QUICK_STEPS, **params} for name, params in segmenters.items()}


def usual_segmenters() -> tuple[str, ...]:
    """Those of a study that names none."""
    return tuple(name for name in ("lfd", "lite_unet") if name in SEGMENTERS)
