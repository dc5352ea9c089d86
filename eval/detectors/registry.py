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
    "musc": "eval.detectors.musc.detector:MuSc",
    "patchcore": "eval.detectors.patchcore:PatchCore",
    "rad": "eval.detectors.rad.detector:Rad",
    "radar_style": "eval.detectors.radar_style.detector:RadarStyle",
}
"""Name -> module:class."""

_CIF = {"features": "facebook/dino-vitb8", "levels": (11,), "side": 224, "square": True}
_MUSC = {"modality": "image+xyz", "features": "facebook/dino-vitb8", "levels": (3, 7, 11), "side": 224, "square": True}
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
    "musc/eyecandies": _MUSC,
    "musc/mvtec3d": _MUSC,
    "rad/mvtec": {**_RAD, "k_image": 150, "rho": 1},
    "rad/visa": {**_RAD, "k_image": 900, "rho": 2},
    "rad/realiad": {**_RAD, "k_image": 900, "rho": 0},
    "rad/3dadam": {**_RAD, "k_image": 48, "rho": 1},
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
