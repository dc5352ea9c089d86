"""The registry of detectors and their presets: one line each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.detectors.detector import Detector
from eval.detectors.stored import read_written
from synth.errors import EvalError
from synth.suggest import did_you_mean

DETECTORS: dict[str, str] = {
    "cif": "eval.detectors.cif.detector:CIF",
    "das3d_style": "eval.detectors.das3d_style.detector:Das3dStyle",
    "g2sf": "eval.detectors.g2sf.detector:G2SF",
    "glfm": "eval.detectors.glfm.detector:GLFM",
    "mentor3ad_style": "eval.detectors.mentor3ad_style.detector:Mentor3ADStyle",
    "musc": "eval.detectors.musc.detector:MuSc",
    "patchcore": "eval.detectors.patchcore:PatchCore",
    "rad": "eval.detectors.rad.detector:Rad",
    "radar_style": "eval.detectors.radar_style.detector:RadarStyle",
    "vote3deep": "eval.detectors.vote3deep.detector:Vote3Deep",
}
"""Name -> module:class."""

_CIF = {"features": "facebook/dino-vitb8", "levels": (11,), "side": 224, "square": True}
_GLFM = {"groups": 1024, "size": 128, "side": 224, "square": True}
_MUSC = {"modality": "image+xyz", "features": "facebook/dino-vitb8", "levels": (3, 7, 11), "side": 224, "square": True}
_G2SF = {
    "features": "facebook/dino-vitb8",
    "levels": (11,),
    "side": 224,
    "square": True,
    "cell": 4,
    "most": 76_518,
    "candidates": 765_184,
    "standardised": "image",
    "composites": 800,
    "cells": 2_500_000,
    "steps": 12_240,
    "batch": 8192,
}
# Those of CFM and M3DM, which Mentor3AD extends; its own are unknown.
_MENTOR3AD = {
    "features": "facebook/dino-vitb8",
    "levels": (11,),
    "side": 224,
    "square": True,
    "cell": 4,
    "cells": 1_000_000,
    "fusion_steps": 750,
    "steps": 3050,
    "batch": 12_544,
}
_RAD = {
    "features": "facebook/dinov3-vitb16-pretrain-lvd1689m",
    "levels": (3, 6, 9, 11),
    "side": 448,
    "square": True,
    "positional": True,
}

# Those of 3D were published with the features of Point-MAE: points="point_mae:FILE" names its checkpoint.
PRESETS: dict[str, dict[str, Any]] = {
    "cif/mvtec3d": {**_CIF, "edges": 4, "modality": "image+xyz", "foreground": "surface"},
    "cif/eyecandies": {**_CIF, "edges": 8, "modality": "image+xyz", "foreground": "valid"},
    "cif/mvtec": {**_CIF, "edges": 4},
    "g2sf/mvtec3d": _G2SF,
    "g2sf/eyecandies": {**_G2SF, "warp": {"turn": 90, "shift": 0.025, "scale": (0.9, 1.1)}},
    "glfm/mvtec3d": {**_GLFM, "steps": 4000},
    "glfm/real3d": {**_GLFM, "steps": 4000, "voxel_mm": 0.15},
    "mentor3ad_style/mvtec3d": _MENTOR3AD,
    "musc/eyecandies": _MUSC,
    "musc/mvtec3d": _MUSC,
    "rad/mvtec": {**_RAD, "k_image": 150, "rho": 1},
    "rad/visa": {**_RAD, "k_image": 900, "rho": 2},
    "rad/realiad": {**_RAD, "k_image": 900, "rho": 0},
    "rad/3dadam": {**_RAD, "k_image": 48, "rho": 1},
    "vote3deep/linear": {"architecture": "A", "last": 9},
    "vote3deep/paper": {"architecture": "D", "width": 8},
}
"""Published settings by detector/dataset: parameters in place of the defaults."""


def names() -> list[str]:
    """The detectors by name."""
    return [*DETECTORS]


def kind(name: str) -> type[Detector]:
    """The class of a detector. EvalError for an unknown name."""
    if name not in DETECTORS:
        raise EvalError(f"detector {name!r} is unknown; {did_you_mean(name, [*DETECTORS, *PRESETS])}")
    module, _, found = DETECTORS[name].partition(":")
    return getattr(import_module(module), found)


def create(name: str, **params: Any) -> Detector:
    """A detector, or a preset such as "rad/mvtec", with these parameters. EvalError for an unknown name, parameter or
    value."""
    if name in PRESETS:
        return create(name.partition("/")[0], **PRESETS[name] | params)
    found = kind(name)
    for key in params:
        if key not in found.Config.model_fields:
            raise EvalError(f"{name} has no parameter {key}; {did_you_mean(key, found.Config.model_fields)}")
    try:
        return found(found.Config(**params))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        message = str(first["msg"]).removeprefix("Input should be ")
        where = ".".join(map(str, first["loc"])) or "parameters"
        raise EvalError(f"{name}: {where} is {first['input']!r}, wanted {message}") from wrong


def load(folder: str | Path) -> Detector:
    """What `Detector.save` wrote. EvalError for any other folder, and where the weights of the features have changed
    since."""
    return kind(read_written(Path(folder))["detector"]).open(Path(folder))
