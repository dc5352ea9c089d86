"""A sample as the bytes of its files, by kind: `image`, `mask`, and those of `synth.io.geometry`.

The same sample gives the same bytes. A good sample has no mask file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from synth.io.geometry import encoded_extras
from synth.io.png import png_bytes
from synth.sample import Sample


@dataclass(frozen=True)
class Encoded:
    """The content of a file, and how its name ends."""

    suffix: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def encode(sample: Sample) -> dict[str, Encoded]:
    """The files of a sample, by kind."""
    files = {}
    if sample.image is not None:
        files["image"] = Encoded(".png", png_bytes(sample.image))
    if sample.mask is not None and sample.defect is not None:
        files["mask"] = Encoded("_mask.png", png_bytes(sample.mask))
    extras = encoded_extras(sample).items()
    return files | {kind: Encoded(suffix, content) for kind, (suffix, content) in extras}
