"""PLY: every element and property type, text and both binary orders.

The vertices may come anywhere among the elements; the others are passed over. Faces with rows make it a mesh
(`synth.io.meshes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from synth.io.columns import Raw, from_columns
from synth.io.rows import LONGEST_LINE, MOST_LINES, numbers, records
from synth.sample import Cloud

ORIGIN = "origin"
"""Word of the comment that says which point of a moved cloud was its (0, 0, 0)."""
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True, slots=True)
class Property:
    """name and numpy type; `counter`: the type of a list's length, None for a single number."""

    name: str
    kind: str
    counter: str | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """One kind of rows."""

    name: str
    count: int
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """order: "ascii", "<" or ">"; origin: what the comment of that name says."""

    order: str
    elements: tuple[Element, ...]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


def read_header(file: IO[bytes]) -> Header:
    """The header of a PLY; the file is left where its body begins. ValueError where it is none."""
    order, origin = "", (0.0, 0.0, 0.0)
    elements: list[Element] = []
    for _ in range(MOST_LINES):
        words = file.readline(LONGEST_LINE).decode("ascii", "replace").split()
        match words:
            case ["end_header"]:
                if not order:
                    raise ValueError("its PLY header has no format")
                return Header(order, tuple(elements), origin)
            case ["format", form, *_]:
                order = form if form == "ascii" else _ORDERS[form]
            case ["element", name, count]:
                elements.append(Element(name, int(count), ()))
            case ["property", "list", counter, kind, name]:
                elements[-1] = _with(elements[-1], Property(name, _TYPES[kind], _TYPES[counter]))
            case ["property", kind, name]:
                elements[-1] = _with(elements[-1], Property(name, _TYPES[kind]))
            case ["comment", word, x, y, z] if word == ORIGIN:
                origin = (float(x), float(y), float(z))
    raise ValueError("its PLY header has no end_header")


def has_faces(path: Path) -> bool:
    """Whether it holds faces with rows, so that it is a mesh."""
    with path.open("rb") as file:
        return any(element.name in ("face", "faces") and element.count for element in read_header(file).elements)


def read_vertices(path: Path, asked: Sequence[str] = ()) -> Raw:
    """The vertices of a PLY. `asked`: the properties to read, none = all known ones but the label."""
    with path.open("rb") as file:
        header = read_header(file)
        return from_columns(_vertices(file, header), asked)


def stored_cloud(path: Path) -> Cloud:
    """What `ply_bytes` wrote: points about its origin, normals, colours and labels."""
    with path.open("rb") as file:
        header = read_header(file)
        columns = _vertices(file, header)
    raw = from_columns(columns, [name for name in columns if name != "alpha"])
    points = raw.points - header.origin if any(header.origin) else raw.points
    normals = None if raw.normals is None else raw.normals.astype(np.float32)
    return Cloud(points.astype(np.float32), normals, raw.colors, raw.labels, header.origin)


def ply_bytes(cloud: Cloud) -> bytes:
    """A binary little-endian PLY: x y z, nx ny nz and red green blue where known, label 0 or 1 where known. A cloud
    with an origin has x y z as double, in the frame of its source, and the origin in a comment."""
    kind = "<f8" if any(cloud.origin) else "<f4"
    fields: list[tuple[str, str, np.ndarray]] = [(n, kind, cloud.placed[:, k]) for k, n in enumerate("xyz")]
    if cloud.normals is not None:
        fields += [(f"n{n}", "<f4", cloud.normals[:, k]) for k, n in enumerate("xyz")]
    if cloud.colors is not None:
        fields += [(n, "u1", cloud.colors[:, k]) for k, n in enumerate(("red", "green", "blue"))]
    if cloud.labels is not None:
        fields.append(("label", "u1", cloud.labels.astype(np.uint8)))
    names = {"<f8": "double", "<f4": "float", "u1": "uchar"}
    comment = [f"comment {ORIGIN} {' '.join(repr(float(v)) for v in cloud.origin)}"] if any(cloud.origin) else []
    header = ["ply", "format binary_little_endian 1.0", *comment, f"element vertex {len(cloud.points)}"]
    header += [f"property {names[kind]} {name}" for name, kind, _ in fields] + ["end_header", ""]
    rows = np.empty(len(cloud.points), [(name, kind) for name, kind, _ in fields])
    for name, _, values in fields:
        rows[name] = values
    return "\n".join(header).encode() + rows.tobytes()


def _with(element: Element, added: Property) -> Element:
    return Element(element.name, element.count, (*element.properties, added))


def _vertices(file: IO[bytes], header: Header) -> dict[str, np.ndarray]:
    """The single numbers of each vertex, by name; elements before them are passed over."""
    for element in header.elements:
        if element.name != "vertex":
            _skip(file, element, header.order)
        elif header.order == "ascii":
            return _text_rows(file, element)
        elif any(one.counter for one in element.properties):
            return _rows_with_lists(file, element, header.order)
        else:
            rows = records(file, np.dtype([(p.name, header.order + p.kind) for p in element.properties]), element.count)
            return {p.name: rows[p.name] for p in element.properties}
    raise ValueError("it has no element vertex")


def _skip(file: IO[bytes], element: Element, order: str) -> None:
    if order == "ascii":
        for _ in range(element.count):
            file.readline()
    elif any(one.counter for one in element.properties):
        _rows_with_lists(file, element, order)
    else:
        file.seek(element.count * sum(np.dtype(one.kind).itemsize for one in element.properties), 1)


def _text_rows(file: IO[bytes], element: Element) -> dict[str, np.ndarray]:
    if not any(one.counter for one in element.properties):
        rows = numbers(file, element.count)
        if rows.shape[1] < len(element.properties):
            raise ValueError(f"its rows hold {rows.shape[1]} numbers, wanted {len(element.properties)}")
        return {one.name: rows[:, k] for k, one in enumerate(element.properties)}
    lines = []
    for _ in range(element.count):
        words, values = iter(file.readline().split()), []
        for one in element.properties:
            number = next(words)
            if one.counter is None:
                values.append(float(number))
            else:
                for _ in range(int(number)):
                    next(words)
        lines.append(values)
    table = np.array(lines, float)
    return {one.name: table[:, k] for k, one in enumerate(p for p in element.properties if p.counter is None)}


def _rows_with_lists(file: IO[bytes], element: Element, order: str) -> dict[str, np.ndarray]:
    """The single numbers of binary rows that hold lists too, which are left out."""
    body, place = file.read(), 0
    begun = file.tell() - len(body)
    wanted = [one for one in element.properties if one.counter is None]
    values: dict[str, list[Any]] = {one.name: [] for one in wanted}
    types = {one.name: np.dtype(order + one.kind) for one in element.properties}
    for _ in range(element.count):
        for one in element.properties:
            kind = types[one.name]
            if one.counter is None:
                values[one.name].append(np.frombuffer(body, kind, 1, place)[0])
                place += kind.itemsize
            else:
                counter = np.dtype(order + one.counter)
                length = int(np.frombuffer(body, counter, 1, place)[0])
                place += counter.itemsize + length * kind.itemsize
        if place > len(body):
            raise ValueError(f"it ends within the rows of {element.name}")
    file.seek(begun + place)
    return {one.name: np.array(values[one.name], types[one.name]) for one in wanted}
