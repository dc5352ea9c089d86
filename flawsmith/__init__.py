"""flawsmith: few real defects in, a trustworthy labelled defect dataset out.

    recipe = flawsmith.load_recipe("recipes/demo.yaml", overrides=["seed=3"])
    run = flawsmith.run(recipe, out="outputs/demo")        # run.samples(), run.manifest, run.path
    samples = flawsmith.read("some/folder")                # an iterator of Sample
    flawsmith.write(samples, "out", format="parquet")      # any samples, not only a run's
    sample = flawsmith.dual.DualSynthesizer("dent").draw(good_sample, seed=7)

Each name is imported on its first use, so that `import flawsmith` costs nothing. Measuring is in the package `eval`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synth import __version__

if TYPE_CHECKING:
    from synth import dual
    from synth.pipeline.runs import Run, run
    from synth.recipe import load_recipe
    from synth.sample import Cloud, Provenance, Sample
    from synth.sources import read
    from synth.writers import write

__all__ = ["Cloud", "Provenance", "Run", "Sample", "__version__", "dual", "load_recipe", "read", "run", "write"]

_HOMES = {
    "Cloud": "synth.sample",
    "Provenance": "synth.sample",
    "Run": "synth.pipeline.runs",
    "Sample": "synth.sample",
    "load_recipe": "synth.recipe",
    "read": "synth.sources",
    "run": "synth.pipeline.runs",
    "write": "synth.writers",
}


def __getattr__(name: str) -> Any:
    if name == "dual":
        return import_module("synth.dual")
    if name not in _HOMES:
        raise AttributeError(f"module 'flawsmith' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
