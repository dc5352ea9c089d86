"""Features on disk, so that an image or a cloud goes through a network once: one safetensors file each.

    FOLDER/ab/ab12....safetensors      named after the sha256 of what went in, its size and the network's identity

A file is checked against the digest in its header before it is used; a damaged one is removed and made again. Files
appear whole (`synth.io.atomic.replacing`), so that several processes may share a folder. Where the files grow beyond
the limit, those that were not used for longest are removed; the folder may exceed it by a sixteenth a process.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from eval.features.network import FeatureMaps, FeatureNetwork, fingerprint
from eval.features.point_network import PointFeatures, PointNetwork
from synth.errors import WriterError
from synth.io.atomic import write_whole

LIMIT = 4 << 30
"""Bytes of all files: about 8,000 images of EfficientNet-Lite0 at 224 px, 600 of a ViT-B/8 with three levels."""
_SHARE = 16
"""Sizes are looked at again when this part of the limit was written."""
_KEPT = 0.8
"""Of the limit, after old files were removed."""
_LOG = logging.getLogger(__name__)


class FeatureCache:
    """Tensors by key in a folder."""

    def __init__(self, folder: str | Path, limit: int = LIMIT) -> None:
        self._folder, self._limit = Path(folder), limit
        self._written = limit  # unknown: looked at with the first file
        self._writable = True

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The tensors under a key; None where there are none or they are damaged."""
        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                found = {name: file.get_tensor(name).clone() for name in file.keys()}
                digest = (file.metadata() or {}).get("digest")
            with suppress(OSError):
                os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError) as problem:
            self._discard(path, str(problem))
            return None
        if digest != fingerprint({"key": key}, found):
            self._discard(path, "its content is not what was written")
            return None
        return found

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors. A folder that cannot be written is told once and not written to again."""
        if not self._writable:
            return
        owned = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        content = save(owned, {"digest": fingerprint({"key": key}, owned)})
        try:
            write_whole(self._path(key), content)
        except WriterError as problem:
            self._writable = False
            _LOG.warning("features are not kept: %s", problem)
        self._written += len(content)
        if self._written > self._limit // _SHARE:
            self._trim()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.safetensors"

    def _discard(self, path: Path, why: str) -> None:
        _LOG.warning("%s is damaged (%s) and made again", path, why)
        with suppress(OSError):
            path.unlink()

    def _trim(self) -> None:
        """Remove the files that were used least recently where all are more than the limit."""
        known = []
        for path in self._folder.glob("??/*.safetensors"):
            with suppress(OSError):  # removed by another process
                status = path.stat()
                known.append((status.st_mtime_ns, status.st_size, path))
        self._written, total = 0, sum(size for _, size, _ in known)
        if total <= self._limit:
            return
        for _, size, path in sorted(known):
            if total <= _KEPT * self._limit:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size


def cached_network(network: FeatureNetwork, cache: FeatureCache) -> FeatureNetwork:
    """The same network, which looks an image up before it computes; only those that are missing are computed."""

    def maps(pixels: Tensor) -> FeatureMaps:
        keys = [_key(network.identity, image) for image in pixels]
        found = [cache.get(key) for key in keys]
        missing = [row for row, tensors in enumerate(found) if tensors is None]
        if missing:
            made = network.maps(pixels[missing])
            for place, row in enumerate(missing):
                tensors = _numbered(level[place] for level in made.levels) | {"whole": made.whole[place]}
                cache.put(keys[row], tensors)
                found[row] = tensors
        together = [tensors for tensors in found if tensors is not None]
        levels = [_stacked(together, name) for name in _levels(together[0])]
        return FeatureMaps(levels, _stacked(together, "whole"))

    return replace(network, maps=maps)


def cached_points(network: PointNetwork, cache: FeatureCache) -> PointNetwork:
    """The same network of points, which looks a cloud up before it computes."""

    def tokens(points: Tensor) -> PointFeatures:
        key = _key(network.identity, points)
        found = cache.get(key)
        if found is None:
            made = network.tokens(points)
            bent = {} if made.curvature is None else {"curvature": made.curvature}
            found = _numbered(made.levels) | {"centres": made.centres, "index": made.index} | bent
            cache.put(key, found)
        levels = [found[name] for name in _levels(found)]
        return PointFeatures(levels, found["centres"], found["index"], found.get("curvature"))

    return replace(network, tokens=tokens)


def _key(identity: str, entered: Tensor) -> str:
    """The name of what a network says of a tensor: of its values and its shape."""
    digest = hashlib.sha256(f"{identity} {entered.dtype} {tuple(entered.shape)} ".encode())
    digest.update(entered.detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def _numbered(levels: Iterable[Tensor]) -> dict[str, Tensor]:
    return {f"level.{number:03}": level for number, level in enumerate(levels)}


def _stacked(images: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.stack([tensors[name] for tensors in images])


def _levels(tensors: Mapping[str, Tensor]) -> list[str]:
    return sorted(name for name in tensors if name.startswith("level."))
