"""The embedded default data: rendered products with images, true geometry and exact masks. No network, no files."""

from __future__ import annotations

from synth.sources.procedural.line import make_part, read_procedural
from synth.sources.procedural.products import PRODUCTS

__all__ = ["PRODUCTS", "make_part", "read_procedural"]
