import numpy as np
import pytest
from PIL import Image

from synth import generators
from synth.errors import RecipeError
from synth.pipeline.journal import Journal
from synth.pipeline.regenerate import regenerate
from tests.synth.blobs import BLOBS, BlobGenerator, run_blobs, tree, write_source


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


@pytest.fixture
def finished(tmp_path):
    return run_blobs(write_source(tmp_path / "source"), tmp_path / "out", request={"per_defect": 5})


def test_every_accepted_sample_is_drawn_again_to_the_same_bits_and_nothing_is_touched(finished):
    before = tree(finished.path)
    for record in finished.manifest:
        again = regenerate(finished.path, record.id)
        assert again.equal, again
        assert "bit for bit" in again.lines()[0]
    assert tree(finished.path) == before


def test_another_drawing_is_reported_with_its_distance(finished, monkeypatch):
    draw = BlobGenerator._paint

    def brighter(self, request):
        sample = draw(self, request)
        sample.image[2:4, 5:8] += 3
        sample.mask[0, 0] = True
        return sample

    monkeypatch.setattr(BlobGenerator, "_paint", brighter)
    again = regenerate(finished.path, finished.manifest[3].id)
    assert again.differences == ("image: 6 px differ, by at most 3", "mask: 1 px differ, by at most 1")
    assert again.to_json()["equal"] is False


def test_a_stored_file_that_was_edited_or_lost_is_reported(finished):
    record = finished.manifest[0]
    image, mask = (record.path(finished.path, kind) for kind in ("image", "mask"))
    Image.fromarray(np.zeros((37, 53, 3), np.uint8)).save(image)
    mask.unlink()
    first, second = regenerate(finished.path, record.id).differences
    assert "is damaged" in first
    assert "is gone" in second


def test_ids_that_are_not_stored_are_refused(finished):
    with pytest.raises(RecipeError, match="did you mean tile-crack-00001"):
        regenerate(finished.path, "tile-crak-00001")
    rejected = next(r for r in Journal(finished.folder.journal).samples() if r.role == "rejected")
    with pytest.raises(RecipeError, match=f"{rejected.id} was rejected"):
        regenerate(finished.path, rejected.id)
    with pytest.raises(RecipeError, match="is not a run"):
        regenerate(finished.path / "data", "tile-crack-00001")
