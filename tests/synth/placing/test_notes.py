"""What placement infers is reported by inspect, --dry-run and the finished run alike, and gives way to the recipe."""

from synth.pipeline.inspect import inspect
from synth.pipeline.preview import preview
from synth.pipeline.runs import run
from synth.placing.notes import turning_notes
from synth.sources.procedural import make_part
from tests.synth.blobs import recipe_for, write_source


def test_parts_at_any_angle_and_aligned_ones_are_distinguished():
    good_images = [make_part(product, None, seed, 128) for product in ("flange", "screw") for seed in range(10)]
    flange, screw = turning_notes(good_images)
    assert flange.startswith("flange: defects are turned by up to ")
    assert screw.startswith("screw: defects are turned by any angle: good parts lie, or look alike, at any angle")


def test_one_good_image_is_not_said_to_have_been_measured():
    (note,) = turning_notes([make_part("flange", None, 0, 128)])
    assert "one good image does not show" in note


def test_what_the_recipe_says_is_taken_and_reported():
    good_images = [make_part("flange", None, seed, 128) for seed in range(3)]
    assert turning_notes(good_images, turn=7.0) == (
        "flange: defects are turned by up to 7 degrees, as generator.turn says",
    )


def test_inspect_dry_run_and_run_say_the_same(tmp_path):
    source = write_source(tmp_path / "tile")
    recipe = recipe_for(source, generator={"kind": "copy_paste"}, request={"per_defect": 2, "max_attempts": 20})
    sentences = run(recipe, tmp_path / "run").inferred
    assert [word in " ".join(sentences) for word in ("whole image", "are turned", "only 5 good images")] == [True] * 3
    inspected, previewed = str(inspect(source)), str(preview(recipe, lambda *_: None))
    for sentence in sentences:
        assert sentence in previewed
        # What a dataset lacks depends on its formats, of which inspect knows nothing.
        assert sentence.removeprefix("warning: tile") in inspected or "kept for testing" in sentence
    assert str(tmp_path) not in previewed.partition(":")[2]


def test_a_generator_that_places_nothing_by_context_is_reported_nothing(tmp_path):
    source = write_source(tmp_path / "tile")
    for generator in ({"kind": "cutpaste"}, {"kind": "copy_paste", "placement": "anywhere"}):
        notes = preview(recipe_for(source, generator=generator), lambda *_: None).notes
        assert not [note for note in notes if "turned" in note]
