"""What a recipe asks for and its generator or source does not have is refused by name, before anything is drawn."""

import pytest

from synth.errors import GeneratorError, RecipeError, SourceError
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.preview import preview
from synth.recipe import Recipe

SOURCE = {"kind": "procedural", "products": ["flange", "cap"], "size": 48, "good_images": 2, "shots_per_defect": 2}
SOURCE |= {"test_per_defect": 0, "test_good_images": 1, "validation_fraction": 0}
GENERATORS = {"dual": {"kind": "dual", "types": ["dent", "bulge"]}, "copy_paste": {"kind": "copy_paste"}}


def recipe(kind: str, **request: object) -> Recipe:
    return Recipe.model_validate({"source": SOURCE, "generator": GENERATORS[kind], "request": request})


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("names", [["flnge"], ["cap", "flnge"]])
def test_an_unknown_product_is_refused_with_what_may_be_meant(kind, names):
    with pytest.raises(SourceError, match="the source has no product 'flnge'; did you mean flange"):
        prepare(recipe(kind, products=names), silent)


@pytest.mark.parametrize("names", [["bulg"], ["dent", "bulg"]])
def test_a_type_that_a_generator_without_shots_does_not_draw_is_refused_with_what_may_be_meant(names):
    with pytest.raises(RecipeError, match=r"request\.defects: 'bulg' is none of generator\.types; did you mean bulge"):
        preview(recipe("dual", defects=names), silent)


def test_a_type_without_shots_is_refused():
    with pytest.raises(SourceError, match="the source has no defect type 'bulg'"):
        preview(recipe("copy_paste", defects=["bulg"]), silent)


def test_a_preview_names_shots_only_where_they_are_learnt_from():
    drawn, pasted = (preview(recipe(kind, per_defect=3, max_attempts=3), silent) for kind in ("dual", "copy_paste"))
    assert "shots, drawing" not in str(drawn)
    assert "from 2 shots, drawing" in str(pasted)
    assert drawn.planned[0].most_drawn == 16  # two shards of 8 for 9 attempts


def test_a_dry_run_finds_a_wrong_base_as_the_run_would(tmp_path):
    wrong = {"kind": "seas", "freedom": 0.3, "base": str(tmp_path / "no")}
    with pytest.raises(GeneratorError, match="no such folder"):
        preview(Recipe.model_validate({"source": SOURCE, "generator": wrong}), silent)
