"""Prepared samples remembered: planes, normals, light, search trees are worked out once for each content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from synth.sample import Sample

Prepared = TypeVar("Prepared")

KEPT_BYTES = 1 << 28
"""Bytes of the samples whose preparations are kept; these take about three times as much themselves."""


class Memory(Generic[Prepared]):
    """Preparations by what the samples hold, whatever their names: the last used ones, as many as KEPT_BYTES of
    samples ask for, the newest in any case."""

    def __init__(self, prepare: Callable[[Sample], Prepared]) -> None:
        self._prepare = prepare
        self._made: OrderedDict[str, tuple[Prepared, int]] = OrderedDict()
        # The very object is recognised without reading it; its reference keeps its identity from being reused.
        self._known: dict[int, tuple[Sample, str]] = {}

    def get(self, sample: Sample) -> Prepared:
        """The sample's preparation, made on first use."""
        key = self._key(sample)
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key][0]
        prepared = self._prepare(sample)
        self._made[key] = prepared, sum(array.nbytes for array in _arrays(sample).values())
        self._forget()
        return prepared

    def _key(self, sample: Sample) -> str:
        if id(sample) in self._known:
            return self._known[id(sample)][1]
        key = content_key(sample)
        # One object for each content: a loader that reads a file again and again must not fill the memory.
        self._known = {name: known for name, known in self._known.items() if known[1] != key}
        self._known[id(sample)] = sample, key
        return key

    def _forget(self) -> None:
        while len(self._made) > 1 and sum(size for _, size in self._made.values()) > KEPT_BYTES:
            self._made.popitem(last=False)
        self._known = {name: known for name, known in self._known.items() if known[1] in self._made}


def content_key(sample: Sample) -> str:
    """sha256 of all that preparing reads of a sample: its arrays, and what its meta says of camera, foreground, allowed
    places, noise and light."""
    digest = hashlib.sha256()
    for name, array in _arrays(sample).items():
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for name in ("camera", "background", "sigma_z", "light"):
        digest.update(f"{name}{sample.meta.get(name)}".encode())
    return digest.hexdigest()


def _arrays(sample: Sample) -> Mapping[str, Any]:
    arrays = {"image": sample.image, "xyz": sample.xyz}
    if sample.cloud is not None:
        arrays |= {"points": sample.cloud.points, "normals": sample.cloud.normals}
    for name in ("foreground", "allowed"):
        given = sample.meta.get(name)
        arrays[name] = None if given is None else np.asarray(given)
    return {name: array for name, array in arrays.items() if array is not None}
