"""`flawsmith eval quality` on a finished run."""

import json
import re
import weakref

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.features.network import BATCH, FeatureNetwork, averaged
from eval.quality.faithfulness import faithfulness
from eval.quality.report import _copy_lines, describe
from eval.quality.stated import stated_in
from synth.cli.main import app
from synth.pipeline.stored import StoredSample
from synth.sample import Origin, Provenance, Sample

PROVENANCE = Provenance("seas", 1, start=Origin("g", "g"))


@pytest.fixture(scope="module")
def answer(finished):
    done = CliRunner().invoke(app, ["eval", "quality", str(finished.path), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_every_figure_is_named_after_its_network_and_few_images_are_noted(answer):
    figures = answer["figures"]
    for name in ("KID", "Frechet distance", "intra-cluster diversity", "precision", "recall"):
        for where in ("whole", "in mask"):
            assert f"{name} (tiny_base, {where})" in figures
    kid = figures["KID (tiny_base, whole)"]
    assert kid["low"] < kid["value"] < kid["high"]
    assert (answer["generated"], answer["shots"]) == (12, 8)
    assert any("are few" in note for note in answer["warnings"])
    assert any("Frechet distance of 8 images in" in note for note in answer["warnings"])


def test_blobs_change_nothing_but_their_mask(answer):
    assert answer["figures"]["background change (grey levels)"]["value"] == 0
    assert answer["figures"]["background untouched (share)"]["value"] == 1
    assert answer["figures"]["mask alignment (IoU of mask and change)"]["value"] > 0.6


def test_copies_are_reported_with_the_shot_they_repeat(answer):
    assert 0 <= answer["copies"]["rate"] <= 1
    for flag in answer["copies"]["flags"]:
        assert flag["how"] in ("the whole image", "the defect")
        assert flag["shot"].startswith("tile/")


def test_the_report_reads_as_lines(finished):
    done = CliRunner().invoke(app, ["eval", "quality", str(finished.path)])
    assert "12 generated images against 8 shots" in done.stdout
    assert "12 drawn: " in done.stdout
    assert re.search(
        r"crack: width \d\.\d\d, area \d\.\d\d, length \d\.\d\d of the shots' \(6 pairs, 4 shots\)", done.stdout
    )


def test_masks_are_compared_by_type(answer):
    assert [(one["defect"], one["drawn"], one["shots"]) for one in answer["masks"]] == [
        ("crack", 6, 4),
        ("stain", 6, 4),
    ]
    far = {name: one for one in answer["masks"] for name in one["far_off"]}
    assert all(abs(one[name] - 1) > 0.15 for name, one in far.items())
    assert sum("off the shots' by more than 15%" in note for note in answer["warnings"]) == len(
        [one for one in answer["masks"] if one["far_off"]]
    )


def test_what_is_pasted_as_asked_is_counted_apart_from_copies_among_the_drawn():
    def stored(generator, **scores):
        made = Provenance(generator, 1, scores=scores)
        return StoredSample("a", "accepted", "tile", "crack", provenance=made, scores={"on_product": 0.97})

    ways = [
        ("seas", {}),
        ("seas", {"freedom": 0.0}),
        ("seas", {"freedom": 0.3}),
        ("copy_paste", {}),
        ("oversample", {}),
    ]
    stated = stated_in([stored(name, **scores) for name, scores in ways])
    assert stated.pasted == (False, True, False, True, True)
    assert stated.on_foreground == 1
    copies = {"pasted": 240, "pasted_found": 236, "drawn": 60, "rate": 1 / 60, "interval": [0.003, 0.089]}
    flag = {"id": "made", "shot": "shot", "how": "the defect", "similarity": 0.97}
    assert _copy_lines({**copies, "flags": [flag]}) == [
        "  240 of 300 place the shots' own pixels (freedom 0), as asked; 236 of them found by their pixels",
        "  60 drawn: 1 copies of shots, 1.7 % [0.3, 8.9]",
        "    made repeats shot (the defect, similarity 0.97)",
    ]


def test_faithfulness_falls_with_a_changed_background_and_a_misplaced_mask():
    start = np.full((40, 60, 3), 120, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:22, 15:33] = True
    drawn = start.copy()
    drawn[mask] = 20

    def measured(image, mask):
        samples = [Sample(f"s{n}", image, mask, defect="dent", provenance=PROVENANCE) for n in range(2)]
        found = faithfulness(samples, {"g": start}.get)
        return found.background_change.value, found.background_untouched.value, found.alignment.value

    assert measured(drawn, mask)[:2] == (0, 1)
    assert measured(drawn, mask)[2] > 0.75
    assert measured(drawn, np.roll(mask, 20, axis=1))[2] < 0.1
    noisy = drawn.copy()
    noisy[30:] += 5
    change, untouched, _ = measured(noisy, mask)
    assert 0.5 < change < 3
    assert untouched < 0.8
    other = Provenance("seas", 1, start=Origin("o", "other"))
    assert faithfulness([Sample("x", drawn, mask, provenance=other)], {"g": start}.get) is None


def test_no_more_than_two_batches_of_images_are_in_memory():
    kept, alive = [], []

    def read():
        rng = np.random.default_rng(3)
        for number in range(6 * BATCH):
            image = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
            mask = np.zeros((40, 50), bool)
            mask[5:15, 7:20] = True
            kept.append(weakref.ref(image))
            alive.append(sum(image() is not None for image in kept))
            yield Sample(f"s{number}", image, mask)
            del image

    network = FeatureNetwork("mean", 8, lambda pixels: averaged([pixels]))
    found = describe(read(), network)
    assert (len(found.ids), len(found.looks)) == (6 * BATCH, 6 * BATCH)
    assert {features.shape for features in found.features.values()} == {(6 * BATCH, 6)}
    assert max(alive) <= 2 * BATCH + 1


def test_a_network_that_is_not_there_is_exit_code_2(finished, tmp_path):
    done = CliRunner().invoke(app, ["eval", "quality", str(finished.path), "--features", str(tmp_path)])
    assert done.exit_code == 2
    assert "give tiny_base" in done.stderr
