"""Features of points are the slow part of miniature detectors, and the same few parts are looked at again and again."""

from dataclasses import replace
from functools import lru_cache

import pytest

from eval.detectors import networks


@pytest.fixture(scope="session", autouse=True)
def _points_looked_at_once():
    opened = networks.point_network

    @lru_cache
    def remembering(name, cache=None):
        network, known = opened(name, cache), {}

        def tokens(points):
            key = points.numpy().tobytes()
            if key not in known:
                known[key] = network.tokens(points)
            return known[key]

        return replace(network, tokens=tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.detectors.detector.point_network", remembering)
        yield
