"""The package `flawsmith`: the names that are a promise, and what importing it costs."""

import subprocess
import sys

import pytest

import flawsmith
from eval.segmenters.dataset import InjectingSampler, TrainingData
from flawsmith.making import run
from synth.hub import card, push
from synth.pipeline.runs import Run
from synth.recipe import load_recipe
from synth.sample import Cloud, Provenance, Sample
from synth.sources import read
from synth.writers import write

NAMES = {
    "Cloud": Cloud,
    "InjectingSampler": InjectingSampler,
    "Provenance": Provenance,
    "Run": Run,
    "Sample": Sample,
    "TrainingData": TrainingData,
    "card": card,
    "load_recipe": load_recipe,
    "push": push,
    "read": read,
    "run": run,
    "write": write,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_the_one_of_its_room(name):
    assert getattr(flawsmith, name) is NAMES[name]


def test_every_public_name_is_listed_and_another_one_is_refused():
    assert set(flawsmith.__all__) == set(dir(flawsmith)) == NAMES.keys() | {"__version__", "dual", "eval"}
    assert flawsmith.dual.DualSynthesizer("dent")
    with pytest.raises(AttributeError, match="'flawsmith' has no attribute 'draw'"):
        flawsmith.draw  # noqa: B018


def test_importing_the_package_loads_no_library_and_takes_no_time():
    code = (
        "import sys, time; before = time.perf_counter(); import flawsmith; taken = time.perf_counter() - before; "
        "heavy = {'torch', 'numpy', 'scipy', 'pydantic', 'yaml'} & set(sys.modules); "
        "print(taken); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3


def test_recipes_and_writers_load_no_torch():
    code = "import sys; from flawsmith import Sample, load_recipe, write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
