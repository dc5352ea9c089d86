"""Why nothing was drawn: the generator's own reason, in the journal, the summary, the error and on the page."""

from dataclasses import replace

import pytest

from synth import generators
from synth.checks import REMEDIES, Reason
from synth.cli.summary import Summary
from synth.errors import RunError
from synth.generators import unplaced
from synth.io.points import ply_bytes
from synth.pipeline.journal import Journal
from synth.pipeline.runs import Run, run
from synth.recipe import Recipe
from synth.sources.listing import reopen
from tests.synth.blobs import BlobGenerator, given, recipe_for, write_source
from tests.synth.dual.scans import ball_cloud


def test_every_reason_has_a_remedy():
    assert set(REMEDIES) == set(Reason.__args__)


class Roomless(BlobGenerator):
    """Finds no place; most often for want of a disc, whose size differs each time."""

    def _paint(self, request):
        made = unplaced(request, "blobs", reopen(self.good_images[0]))
        disc = f"the part has no whole disc of {20 + request.index}.5 mm there"
        why = disc if request.index % 4 else "it is too dark"
        long = f"no good image has room in 5 attempts, the last one because g0: no dent, the last one because {why}"
        return replace(made, provenance=replace(made.provenance, failure=long))


def test_the_most_frequent_reason_is_told_everywhere_where_nothing_was_accepted(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", given(Roomless))
    recipe = recipe_for(write_source(tmp_path / "source"), request={"per_defect": 2, "defects": ["crack"]})
    with pytest.raises(RunError) as raised:
        run(recipe, tmp_path / "out")
    said = str(raised.value)
    cause = "the part has no whole disc of 21.5 mm there"
    assert f"0 of 2 accepted in 12 attempts (no_place 12), most often: {cause}: {REMEDIES['no_place']}" in said
    assert "train" not in said
    finished = Run(tmp_path / "out")
    assert f"  most often rejected because: {cause}" in Summary(finished, 1.0).lines()
    assert Summary(finished, 1.0).to_json()["most_often"] == {"tile/crack": cause}
    page = (finished.folder.report / "index.html").read_text()
    assert f"most often: {cause}" in page
    assert "22.5 mm there" in page
    details = [one.detail for one in Journal(finished.folder.journal).samples()]
    assert sum("no whole disc of" in detail for detail in details) == 9


def test_a_defect_that_is_too_large_for_every_cloud_says_so(tmp_path):
    (tmp_path / "source").mkdir()
    for k in range(2):
        (tmp_path / "source" / f"{k}.ply").write_bytes(ply_bytes(ball_cloud(900 + 100 * k, seed=k).cloud))
    blocks = {
        "source": {"kind": "clouds", "root": str(tmp_path / "source")},
        "generator": {"kind": "dual", "types": ["dent"], "defects": {"dent": {"radius_mm": [500, 600]}}},
        "request": {"per_defect": 1, "max_attempts": 2},
        "output": {"format": "ply"},
    }
    with pytest.raises(RunError) as raised:
        run(Recipe.model_validate(blocks), tmp_path / "out")
    assert "no_place" in str(raised.value)
    assert "blank_mask" not in str(raised.value)
    assert "train longer" not in str(raised.value)
    assert "whole disc of" in str(raised.value) or " mm" in str(raised.value)
