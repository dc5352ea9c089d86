"""A finished run with test images kept back, made once by the blob generator."""

from __future__ import annotations

import pytest

from synth import generators
from synth.pipeline.runs import Run, run
from synth.sources.config import FolderSource
from tests.synth.blobs import BLOBS, recipe_for, write_source


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("eval") / "source", good_images=8, shots=12)


@pytest.fixture(scope="session")
def finished(source, tmp_path_factory) -> Run:
    block = FolderSource(root=source, product="tile", test_fraction=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        return run(recipe_for(source).model_copy(update={"source": block}), tmp_path_factory.mktemp("eval") / "run")
