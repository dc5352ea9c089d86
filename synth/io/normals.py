"""The normals that a cloud is worked on with: its file's where these point outwards, turned or fitted where not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from synth.errors import SourceError
from synth.io.outward import Oriented, Sensor, disorder, oriented
from synth.io.spread import thinned
from synth.io.told import Told
from synth.sample import Cloud

Normals = Literal["auto", "file", "flip", "estimate"]
FIELD, VIEWPOINT = "source.normals", "source.viewpoint"
LOOKED_AT = 6000
"""Points on which a file's normals are compared with the cloud's own."""
AGREE = 0.9
"""Share of normals on one side of the surface from which all are meant to be."""
RANDOM = 0.1
"""Share of neighbours that point to opposite sides from which a file's normals have no common side."""
ALONG = 0.5
"""Cosine with the surface's own normals, in the median, below which a file's are not its normals."""

_SIDES = {
    "closed": "outwards, as a closed part shows",
    "mostly closed": "outwards, as a part that is open on one side shows",
    "viewpoint": "towards the viewpoint that {who} names",
    "height map": "up (+z), as a height map over x and y",
    "camera": "towards (0, 0, 0), as from a camera there, which sees all of it",
    "up": "up (+z), though nothing shows which side is outside",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """A cloud with outward normals, how these were found in a few words, and what is told of it."""

    cloud: Cloud
    how: str
    told: tuple[Told, ...] = ()


def settled(file: str, cloud: Cloud, sensor: Sensor, mode: Normals = "auto", mesh: bool = False) -> Settled:
    """The cloud with normals that point outwards, or towards the sensor where it is seen from one side. `mode`: auto
    compares those of the file with the surface and turns what is wrong; file takes them as they are; flip turns them
    all; estimate fits others. Those of a mesh's faces are turned together or not at all. SourceError for flip where
    there are none."""
    given = None if cloud.normals is None else _unit(cloud.normals)
    if mode == "flip":
        if given is None:
            raise SourceError(f"{file} has no normals to flip; set {FIELD} to auto")
        return Settled(replace(cloud, normals=-given), "the file's, turned")
    if given is None or mode == "estimate":
        return _estimated(cloud, sensor, "has no normals" if given is None else "has normals that are not used")
    if mode == "file":
        return Settled(replace(cloud, normals=given), "the file's")
    some = thinned(cloud.points, LOOKED_AT) if len(cloud.points) > LOOKED_AT else np.arange(len(cloud.points))
    found = oriented(cloud.points[some].astype(np.float64), sensor=sensor)
    cosine = np.einsum("ij,ij->i", given[some], found.normals)
    if float(np.median(np.abs(cosine))) < ALONG:
        return _estimated(cloud, sensor, "has normals that are not those of its surface and are not used", warning=True)
    outward = float((cosine > 0).mean())
    if outward <= 1 - AGREE and found.side in ("closed", "viewpoint", "camera"):
        text = f"has normals that point the other way: all are turned {_side(found, sensor)}"
        turned = Told("normals", text, FIELD, warning=found.side == "camera")
        return Settled(replace(cloud, normals=-given), "the file's, turned", (turned,))
    if outward < AGREE and found.side == "closed" and not mesh:
        return _turned(cloud, given, sensor)
    if disorder(cloud.points.astype(np.float64), given) > RANDOM and not mesh:
        return _turned(cloud, given, sensor)
    told: tuple[Told, ...] = ()
    if outward <= 1 - AGREE:
        text = "has normals that seem to point inwards and are kept; set source.normals to flip if they do"
        told = (Told("normals", text, FIELD, warning=True),)
    return Settled(replace(cloud, normals=given), "the file's", told)


def _turned(cloud: Cloud, given: np.ndarray, sensor: Sensor) -> Settled:
    """The file's normals, each on the side of the cloud's own."""
    found = oriented(cloud.points.astype(np.float64), sensor=sensor)
    inward = np.einsum("ij,ij->i", given, found.normals) < 0
    text = f"has normals without a common side: {inward.mean():.0%} of them are turned {_side(found, sensor)}"
    normals = np.where(inward[:, None], -given, given)
    return Settled(replace(cloud, normals=normals), "the file's, each turned", (Told("normals", text, FIELD),))


def _estimated(cloud: Cloud, sensor: Sensor, why: str, warning: bool = False) -> Settled:
    found = oriented(cloud.points.astype(np.float64), sensor=sensor)
    field = VIEWPOINT if found.side in ("camera", "up") else FIELD
    told = Told("normals", f"{why}: estimated, they point {_side(found, sensor)}", field, warning or found.side == "up")
    return Settled(replace(cloud, normals=found.normals.astype(np.float32)), f"estimated, {found.side}", (told,))


def _side(found: Oriented, sensor: Sensor) -> str:
    return _SIDES[found.side].format(who="the recipe" if sensor.named else "the file")


def _unit(normals: np.ndarray) -> np.ndarray | None:
    """Normals (N, 3) float32 as they are; None where one has no length, so that it points nowhere."""
    return normals if (np.linalg.norm(normals, axis=1) > 0).all() else None
