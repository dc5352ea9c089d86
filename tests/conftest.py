"""What many tests share: miniature models and samples, made on the fly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from synth.sample import Sample

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAWSMITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def untrained() -> StableDiffusionPipeline:
    """The MICRO pipeline, built once; only read it."""
    from synth.seas.base import MICRO, build_untrained

    return build_untrained(MICRO)


@pytest.fixture
def pipeline(untrained: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """A MICRO pipeline of the test's own."""
    return fresh_copy(untrained)


@pytest.fixture
def new_pipeline(untrained: StableDiffusionPipeline) -> Callable[[], StableDiffusionPipeline]:
    """Makes equal MICRO pipelines."""
    return lambda: fresh_copy(untrained)


@pytest.fixture
def shots() -> list[Sample]:
    """Two shots of a dent and one of a scratch, of different sizes."""
    return [
        striped_sample("s0", (37, 53), "dent", (slice(5, 14), slice(20, 32))),
        striped_sample("s1", (41, 29), "dent", (slice(20, 30), slice(3, 11))),
        striped_sample("s2", (53, 37), "scratch", (slice(10, 40), slice(17, 19))),
    ]


@pytest.fixture
def good_images() -> list[Sample]:
    """Three good parts of different sizes."""
    return [striped_sample(f"g{i}", size, None) for i, size in enumerate([(37, 53), (53, 37), (64, 31)])]


def fresh_copy(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """An equal pipeline that shares no weight and no token with `pipeline`."""
    parts = {name: copy.deepcopy(part) for name, part in pipeline.components.items()}
    return type(pipeline)(**parts, requires_safety_checker=False)


def striped_sample(
    name: str, size: tuple[int, int], defect: str | None, where: tuple[slice, slice] = (slice(0), slice(0))
) -> Sample:
    """A plate with diagonal stripes and, at `where`, a bright mark."""
    rows, columns = np.indices(size)
    image = np.repeat((60 + 8 * ((rows + 2 * columns) % 7))[..., None], 3, axis=2).astype(np.uint8)
    mask = np.zeros(size, dtype=bool)
    mask[where] = defect is not None
    image[mask] = (230, 200, 180)
    return Sample(id=name, image=image, mask=mask, product="plate", defect=defect, split="train")
