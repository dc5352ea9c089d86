"""Depth of Eyecandies: 16-bit PNG, the range that it stands for in a YAML file beside it.

Depth in metres is value / 65535 (max - min) + min of info_depth.yaml; the camera has f = W 50 / 36 px and its centre in
the middle of the frame.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from synth.errors import SourceError
from synth.io.decoding import decode
from synth.io.regular import read_text
from synth.io.yaml_text import YamlTextError, load_yaml
from synth.printable import printable
from synth.sources.scans import checked_returns

FOCAL = 50 / 36


def read_depth(path: Path) -> np.ndarray:
    """The organised cloud float32 (H, W, 3) metres behind a depth image; (0, 0, 0) where the depth is 0. SourceError
    where the image or its range cannot be read, or gives no cloud to draw on."""
    low, high = _range(path)
    values = np.asarray(decode(path).pixels).astype(np.float64)
    if values.ndim != 2:
        raise SourceError(f"{path} is {values.shape}, wanted one channel of 16 bits; copy it again")
    depth = values / 65535 * (high - low) + low
    depth[values == 0] = 0
    height, width = depth.shape
    focal = width * FOCAL
    rows, columns = np.indices(depth.shape)
    cloud = np.stack([(columns - width / 2) / focal * depth, (rows - height / 2) / focal * depth, depth], -1)
    xyz = cloud.astype(np.float32)
    middle = float(np.median(checked_returns(path, depth[depth > 0])))
    if not 0.05 <= middle <= 5:
        raise SourceError(f"{path}: a median depth of {middle:.4g} cannot be metres; copy its info_depth.yaml again")
    return xyz


def _range(depth: Path) -> tuple[float, float]:
    """The least and largest depth in metres that a depth image stands for."""
    limits_file = depth.with_name(depth.name.replace("_depth.png", "_info_depth.yaml"))
    if not limits_file.exists():
        names = printable(depth), printable(limits_file.name)
        raise SourceError("{} has no {} beside it, which gives its range; copy it too".format(*names))
    try:
        limits = load_yaml(read_text(limits_file), limits_file)["normalization"]
        low, high = float(limits["min"]), float(limits["max"])
    except YamlTextError as problem:
        raise SourceError(f"{problem}; copy it again") from problem
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise SourceError(
            f"{limits_file} does not give normalization: {{min, max}} in metres; copy it again"
        ) from problem
    if not 0 <= low < high < math.inf:
        raise SourceError(f"{limits_file} gives depths from {low:g} to {high:g}, wanted metres, rising; copy it again")
    return low, high
