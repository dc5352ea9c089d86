import shutil

import pytest

from synth import generators
from synth.pipeline.runs import Run
from tests.synth.blobs import BLOBS, run_blobs, write_source


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A run of six cracks and six stains, for tests that change nothing of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        folder = tmp_path_factory.mktemp("review")
        return run_blobs(write_source(folder / "source"), folder / "out")


@pytest.fixture
def source(made):
    return made.path.parent / "source"


@pytest.fixture
def finished(made, tmp_path):
    """A copy of the run, of the same source."""
    return Run(shutil.copytree(made.path, tmp_path / "out"))
