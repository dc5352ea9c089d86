"""The public names called with what is not meant for them: it works, or the error says what is wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flawsmith
from synth.errors import FlawsmithError
from synth.recipe import as_recipe

IMAGE = np.zeros((5, 7, 3), np.uint8)
GOOD = flawsmith.Sample("a", image=IMAGE, product="lid")
CALLS = {
    "a recipe of a number": (lambda _: flawsmith.load_recipe(3), "a recipe is 3, wanted a YAML file or the name"),
    "no recipe": (lambda _: flawsmith.load_recipe(None), "a recipe is null, wanted a YAML file"),
    "overrides as a dict": (lambda _: flawsmith.load_recipe("demo", {"seed": 3}), r"overrides are \{seed: 3\}, wanted"),
    "an override of a number": (lambda _: flawsmith.load_recipe("demo", [3]), "wanted one or a list of texts"),
    "a run of a dict": (lambda p: flawsmith.run({"seed": 1}, p), r"a recipe is \{seed: 1\}, wanted"),
    "a run of no recipe": (lambda p: flawsmith.run("dmo", p), "did you mean demo"),
    "no worker": (lambda p: flawsmith.run("demo", p, workers=0), "workers is 0, wanted a whole number"),
    "workers as text": (lambda p: flawsmith.run("demo", p, workers="2"), "workers is '2', wanted"),
    "another executor": (lambda p: flawsmith.run("demo", p, executor="lokal"), "did you mean local"),
    "a run's place": (lambda _: flawsmith.run("demo", 3), "the run's folder is 3, wanted a path"),
    "an opened number": (lambda _: flawsmith.Run(3), "a run is 3, wanted a path"),
    "a source of a number": (lambda _: flawsmith.read(3), "a source is 3, wanted a path"),
    "another layout": (lambda p: flawsmith.read(p, layout="foldr"), "did you mean folder"),
    "a list of layouts": (lambda p: flawsmith.read(p, layout=["folder"]), "layout .* is unknown"),
    "another option": (
        lambda p: flawsmith.read(p, layout="folder", prodct="a"),
        "no option 'prodct'; did you mean pro",
    ),
    "a number of samples": (lambda p: flawsmith.write(3, p / "o"), "samples is 3, wanted a Sample or several"),
    "letters as samples": (lambda p: flawsmith.write("abc", p / "o"), "a sample is 'a', wanted a Sample"),
    "nowhere to write": (lambda _: flawsmith.write([GOOD], None), "the new folder is null, wanted a path"),
    "a list of formats": (lambda p: flawsmith.write([GOOD], p / "o", format=["mvtec"]), "format .* is unknown"),
    "an image as a list": (lambda _: flawsmith.Sample("a", image=[[1]]), "image is .*, wanted a numpy array of uint8"),
    "an image as a file": (lambda _: flawsmith.Sample("a", image="a.png"), "wanted a numpy array of uint8"),
    "an id as a number": (lambda _: flawsmith.Sample(3), "id is 3, wanted text"),
    "a product as a path": (lambda _: flawsmith.Sample("a", product=Path("b")), "product is 'b', wanted text"),
    "a cloud as an array": (lambda _: flawsmith.Sample("a", cloud=np.zeros((3, 3))), "wanted a Cloud"),
    "points as a list": (lambda _: flawsmith.Cloud([[1.0, 2, 3]]), "points is .*, wanted a numpy array of float32"),
    "no points": (lambda _: flawsmith.Cloud(None), "points is null, wanted"),
    "a defect of a number": (lambda _: flawsmith.dual.DualSynthesizer(3), "a defect is 3, wanted the name of a type"),
    "a drawing on text": (lambda _: flawsmith.dual.DualSynthesizer("dent").draw("a", 1), "a sample is 'a', wanted"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_argument_is_named_with_what_is_wanted(case, tmp_path):
    call, words = CALLS[case]
    with pytest.raises(FlawsmithError, match=words) as raised:
        call(tmp_path)
    assert "<" not in str(raised.value)
    assert not any(tmp_path.iterdir())


def test_one_override_a_name_a_file_and_one_sample_will_do(tmp_path):
    assert flawsmith.load_recipe("demo", overrides="seed=5").seed == 5
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 7\n")
    assert as_recipe(str(file)) == as_recipe(file) == as_recipe(as_recipe(file))
    assert as_recipe("demo") == flawsmith.load_recipe("demo")
    flawsmith.write(GOOD, tmp_path / "out")
    assert (tmp_path / "out/lid/train/good/a.png").is_file()
