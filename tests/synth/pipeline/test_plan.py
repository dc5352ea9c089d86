"""What a recipe asks for and its generator or source does not have is refused by name, before anything is drawn."""

import pytest

from synth.errors import RecipeError, SourceError
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.preview import preview
from synth.recipe import load_recipe

SMALL = ["source.products=[flange, cap]", "source.good_images=2", "source.size=48", "source.shots_per_defect=2"]
SMALL += ["source.test_per_defect=0", "source.test_good_images=1", "source.validation_fraction=0"]


@pytest.mark.parametrize("kind", ["dual", "copy_paste"])
def test_an_unknown_product_or_defect_type_is_refused_with_what_may_be_meant(kind):
    given = ["generator.kind=" + kind, *SMALL]
    if kind == "dual":
        given.append("generator.types=[dent, bulge]")
    for name, words in (("products=[flnge]", "flnge.*did you mean flange"), ("products=[cap, lid]", "lid.*there are")):
        with pytest.raises(SourceError, match=words):
            prepare(load_recipe("demo", [*given, f"request.{name}"]), silent)
    error, words = (
        (RecipeError, "'bulg' is none of generator.types; did you mean bulge")
        if kind == "dual"
        else (SourceError, "no defect type 'bulg'")
    )
    with pytest.raises(error, match=words):
        preview(load_recipe("demo", [*given, "request.defects=[bulg]"]), silent)


def test_a_preview_names_shots_only_where_they_are_learnt_from():
    given = ["generator.kind=dual", "generator.types=[dent]", *SMALL, "request.per_defect=3", "request.max_attempts=3"]
    first = preview(load_recipe("demo", given), silent)
    assert "shots, drawing" not in str(first)
    assert first.planned[0].most_drawn == 16  # two shards of 8 for 9 attempts
