"""Published synthesis schemes as presets of the dual-modality synthesizer, for comparison and for detectors that train
on them.

>>> create("das3d_like").draw(scan, seed=7)             # image and organised cloud
>>> create("po3ad", height=(0.05, 0.1)).draw(part, 7)   # unorganised cloud

| scheme       | works on        | method                                                              |
|--------------|-----------------|---------------------------------------------------------------------|
| das3d_like   | image and xyz   | DAS3D: ternary noise under a skewed Gaussian, texture, dropout       |
| draem        | image and xyz   | DRAEM: texture blended in where noise is high, in depth as BridgeNet |
| easynet      | image and xyz   | EasyNet: noise in the depth, texture in the image                    |
| transfusion  | image and xyz   | TransFusion: signed noise that starts at 0 at the mask's edge        |
| 3dsr         | image and xyz   | 3DSR: its random relief inside its anomaly mask                      |
| glfm         | unorganised     | GLFM stage I: points pulled along the normal of a seed               |
| r3d_ad       | unorganised     | R3D-AD Patch-Gen: the patch nearest to a viewpoint                   |
| po3ad        | unorganised     | PO3AD Norm-AS: one patch along its normals                           |
| mpas_sphere, mpas_scratch, mpas_crack, mpas_bend, mpas_freedom | unorganised | MPAS primitives (Synthesis4AD) |

Formulas are those of the papers or of their released code, written anew. Every number is a field of its scheme, whose
help says where it is from: [C] confirmed in released code, [P] our own choice where the source is unknown or at fault.
Faults of released code are mended; `compat: true`, where a scheme has it, brings back the one that published results
rest on. Labels are what really changed, and none is empty; mpas_crack labels the rim of what it removes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

__all__ = ["NAMES", "ORGANISED", "UNORGANISED", "PresetSynthesizer", "create", "scheme"]

Organised = Literal["das3d_like", "draem", "easynet", "transfusion", "3dsr"]
Unorganised = Literal[
    "glfm",
    "r3d_ad",
    "po3ad",
    "mpas_sphere",
    "mpas_scratch",
    "mpas_crack",
    "mpas_bend",
    "mpas_freedom",
]

ORGANISED: tuple[Organised, ...] = get_args(Organised)
"""Schemes for an image with an organised cloud."""
UNORGANISED: tuple[Unorganised, ...] = get_args(Unorganised)
"""Schemes for an unorganised cloud."""
NAMES = ORGANISED + UNORGANISED

if TYPE_CHECKING:
    from synth.dual.presets.registry import PresetSynthesizer, create, scheme


def __getattr__(name: str) -> Any:
    # Looked up on first use: a recipe needs the names alone, not scipy.
    if name not in __all__:
        raise AttributeError(f"module 'synth.dual.presets' has no attribute {name!r}")
    from synth.dual.presets import registry

    return getattr(registry, name)
