"""PCD: text, binary and compressed; VIEWPOINT says where the sensor was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from synth.io.columns import Raw, from_columns
from synth.io.regular import MOST_BYTES
from synth.io.rows import LONGEST_LINE, MOST_LINES, numbers, records
from synth.sample import Cloud

_SHORT, _LONG = 32, 7
"""LZF: control bytes below are runs of literals; a copy of this length has its length in the next byte."""


def read_pcd(path: Path, asked: Sequence[str] = ()) -> Raw:
    """The points of a PCD. `asked`: the fields to read, none = all known ones but the label."""
    with path.open("rb") as file:
        words = _header(file)
        # Padding fields all have the name "_".
        names = [f"_{k}" if name == "_" else name for k, name in enumerate(words["FIELDS"])]
        repeats = [int(n) for n in words.get("COUNT", ["1"] * len(names))]
        types = [f"<{kind.lower()}{size}" for kind, size in zip(words["TYPE"], words["SIZE"], strict=True)]
        fields = [(n, t, (k,)[: k > 1]) for n, t, k in zip(names, types, repeats, strict=True)]
        kind, count = words["DATA"][0], int(words["POINTS"][0])
        if kind == "ascii":
            rows = numbers(file, count)
            places = np.cumsum([0, *repeats])
            columns = {n: rows[:, k].astype(t) for n, k, t in zip(names, places, types, strict=False)}
        elif kind == "binary":
            values = records(file, np.dtype(fields), count)
            columns = {name: values[name] for name in names}
        elif kind == "binary_compressed":
            columns = _decompressed(file, fields, count)
        else:
            raise ValueError(f"its DATA is {kind}, wanted ascii, binary or binary_compressed")
    return replace(from_columns(columns, asked), viewpoint=_viewpoint(words))


def pcd_bytes(cloud: Cloud) -> bytes:
    """A binary PCD 0.7 of the points alone; of a cloud with an origin as doubles, in the frame of its source."""
    size, width = len(cloud.points), 8 if any(cloud.origin) else 4
    header = (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE {width} {width} {width}\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {size}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {size}\nDATA binary\n"
    )
    return header.encode() + cloud.placed.astype(f"<f{width}").tobytes()


def lzf(packed: bytes, size: int) -> bytes:
    """`size` bytes out of an LZF stream. ValueError where it holds others."""
    out, place = bytearray(), 0
    while place < len(packed) and len(out) < size:
        control = packed[place]
        place += 1
        if control < _SHORT:
            out += packed[place : place + control + 1]
            place += control + 1
            continue
        length = control >> 5
        if length == _LONG:
            length += packed[place]
            place += 1
        start = len(out) - ((control & 31) << 8) - packed[place] - 1
        place += 1
        if start < 0:
            raise ValueError("its compressed data is damaged")
        repeated = out[start:]  # a copy may overlap what it writes
        out += (repeated * ((length + 2) // len(repeated) + 1))[: length + 2]
    if len(out) != size:
        raise ValueError(f"its compressed data gives {len(out):,} of {size:,} bytes")
    return bytes(out)


def _header(file: IO[bytes]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for _ in range(MOST_LINES):
        key, *rest = file.readline(LONGEST_LINE).decode("ascii", "replace").split() or [""]
        words[key] = rest
        if key == "DATA":
            break
    if "DATA" not in words:
        raise ValueError("its PCD header has no DATA")
    missing = [key for key in ("FIELDS", "SIZE", "TYPE", "POINTS") if key not in words]
    if missing:
        raise ValueError(f"its PCD header has no {missing[0]}")
    return words


def _decompressed(
    file: IO[bytes], fields: Sequence[tuple[str, str, tuple[int, ...]]], count: int
) -> dict[str, np.ndarray]:
    """Fields that lie one after the other in one compressed block."""
    packed, size = (int(n) for n in records(file, np.dtype("<u4"), 2))
    wanted = count * np.dtype(list(fields)).itemsize
    if size != wanted or size > MOST_BYTES:
        raise ValueError(f"its compressed data holds {size:,} bytes, wanted {wanted:,}")
    body = lzf(records(file, np.dtype("u1"), packed).tobytes(), size)
    columns, place = {}, 0
    for name, form, shape in fields:
        kind, repeat = np.dtype(form), (*shape, 1)[0]
        columns[name] = np.frombuffer(body, kind, count * repeat, place).reshape(count, *shape)
        place += count * repeat * kind.itemsize
    return columns


def _viewpoint(words: Mapping[str, Sequence[str]]) -> np.ndarray | None:
    """Where the sensor was (3,); None for (0, 0, 0), which most programs write whatever it was."""
    place = np.array([float(word) for word in words.get("VIEWPOINT", ())[:3]])
    return place if place.shape == (3,) and place.any() else None
