"""flawsmith: few real defects in, a trustworthy labelled defect dataset out.

    recipe = flawsmith.load_recipe("recipes/demo.yaml", overrides=["seed=3"])
    run = flawsmith.run(recipe, out="outputs/demo")        # run.samples(), run.manifest, run.path
    samples = flawsmith.read("some/folder")                # an iterator of Sample
    flawsmith.write(samples, "out", format="parquet")      # any samples, not only a run's
    flawsmith.push("outputs/demo", "owner/name")           # to the Hugging Face Hub: docs/push.md
    data = flawsmith.TrainingData("outputs/demo")          # a torch Dataset: docs/training.md
    sample = flawsmith.dual.DualSynthesizer("dent").draw(good_sample, seed=7)

Each name is imported on its first use, so that `import flawsmith` costs nothing. Measuring is in the package `eval`,
here `flawsmith.eval`; ImportError where a module of yours has the name of one of our packages and comes first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flawsmith._own import check_own

if TYPE_CHECKING:
    import eval
    from eval.segmenters.dataset import InjectingSampler, TrainingData
    from flawsmith.making import run
    from synth import __version__, dual
    from synth.hub import card, push
    from synth.pipeline.runs import Run
    from synth.recipe import load_recipe
    from synth.sample import Cloud, Provenance, Sample
    from synth.sources import read
    from synth.writers import write

__all__ = [
    "Cloud",
    "InjectingSampler",
    "Provenance",
    "Run",
    "Sample",
    "TrainingData",
    "__version__",
    "card",
    "dual",
    "eval",
    "load_recipe",
    "push",
    "read",
    "run",
    "write",
]

_HOMES = {
    "__version__": "synth",
    "Cloud": "synth.sample",
    "InjectingSampler": "eval.segmenters.dataset",
    "Provenance": "synth.sample",
    "Run": "synth.pipeline.runs",
    "Sample": "synth.sample",
    "TrainingData": "eval.segmenters.dataset",
    "card": "synth.hub",
    "load_recipe": "synth.recipe",
    "push": "synth.hub",
    "read": "synth.sources",
    "run": "flawsmith.making",
    "write": "synth.writers",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'flawsmith' has no attribute {name!r}")
    check_own("synth")
    if name == "eval" or _HOMES.get(name, "").startswith("eval."):
        check_own("eval")
    if name == "eval":
        return import_module("eval")
    return import_module("synth.dual") if name == "dual" else getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
