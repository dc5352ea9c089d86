"""Images that are copies of each other, and others."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synth.io.hashes import hash_distances, perceptual_hash, turns
from tests.synth.trees import random_image

WAYS = [lambda a, k=k, t=t: np.rot90(a.transpose(1, 0, 2) if t else a, k) for t in (False, True) for k in range(4)]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(150, 300), st.integers(150, 300), st.integers(0, 7), st.integers(70, 95))
def test_a_copy_is_near_and_another_image_far(seed: int, height: int, width: int, way: int, quality: int) -> None:
    image = random_image(seed, height, width)
    buffer = io.BytesIO()
    smaller = Image.fromarray(np.ascontiguousarray(WAYS[way](image)))
    smaller = smaller.resize((int(smaller.width * 0.8), int(smaller.height * 0.8)), Image.Resampling.BICUBIC)
    smaller.save(buffer, "JPEG", quality=quality)
    copy = np.array(Image.open(buffer).convert("RGB"))
    hashes = np.stack([perceptual_hash(a) for a in (image, copy, random_image(seed + 1, height, width))])
    distances = hash_distances(hashes[:1], hashes)[0]
    assert distances[0] < 0.05
    assert distances[1] < 1
    assert distances[2] > 20


def test_hash_distances_agree_with_longhand() -> None:
    rng = np.random.default_rng(4)
    first, second = (rng.integers(0, 256, (n, 32, 32), dtype=np.uint8) for n in (3, 5))
    longhand = [
        [min(np.sqrt(np.mean((way.astype(float) - b) ** 2)) for way in turns(a)) for b in second] for a in first
    ]
    assert np.allclose(hash_distances(first, second), longhand, atol=0.01)
    assert len({way.tobytes() for way in turns(first[0])}) == 8
