"""An organised scan from its file: what did not return, in which frame and unit it is, and what of that was inferred.

Inside, a scan is float32 (H, W, 3) in metres in the camera frame, (0, 0, 0) where nothing returned. A scan that is in
that frame already keeps its numbers, but for the unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from synth.errors import SampleError, SourceError
from synth.io.camera import Camera, Raster
from synth.io.grids import read_grid
from synth.sources.frames import Frame, FrameUnknownError, find_frame
from synth.sources.notes import Note
from synth.sources.scan_options import AS_FOUND, ScanOptions

PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1e3, "um": 1e6, "inch": 1 / 0.0254}
NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "um": "micrometres", "inch": "inches"}
DEPTHS = {"m": (0.05, 5), "mm": (50, 5000), "um": (5e4, 5e6)}
"""Median distances from a pinhole that suggest a unit, in that unit."""
WIDTHS = {"m": (0.002, 0.5), "mm": (5, 2000), "um": (5000, 2e6)}
"""The same for widths of a scan under parallel rays."""
BEYOND = 4
"""How far beyond those a scan may be whose product's unit is known."""
LEAST_RETURNS = 100
"""Pixels that have to have returned something: with fewer neither camera nor surface can be known."""
CLOSE = 150
"""Millimetres below which a depth may as well be one in centimetres."""
LOOKED_AT = 5
"""Scans of a product that decide its unit."""
OFF, FAR_OFF = 0.2, 3
"""Spreads of the other depths by which the value that stands for no return lies apart from them, if all its pixels are
at one place, and otherwise."""
MOST_CODES = 4
STANDS_OUT = 4
"""How much deeper than high the middle of a scan is, against its border, if that stands out."""
RESAMPLED = 0.4
"""Deviation in px from its rays from which a scan was resampled."""
LOST = "NaN or infinite coordinates"


@dataclass(frozen=True, slots=True)
class Scan:
    """xyz as inside; `frame` in the file's unit; `unit` read in; `size` in it, which suggests the unit: see `_size`;
    `dropped`: pixels by why they count as no return; `notes`: what was inferred."""

    xyz: np.ndarray
    frame: Frame
    unit: str
    size: float
    dropped: Mapping[str, int]
    notes: tuple[Note, ...]

    @property
    def orthographic(self) -> bool:
        """Whether its rays are parallel."""
        return isinstance(self.frame.view, Raster)

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of it besides the cloud, in plain types. matrix: from the file's frame to the camera's, both in
        the file's unit."""
        view = self.frame.view
        kind = "orthographic" if self.orthographic else "pinhole"
        return {
            "unit": self.unit,
            "view": kind,
            "camera": {name: float(getattr(view, name)) for name in view.__slots__},
            "off_px": self.frame.off,
            "matrix": self.frame.matrix.tolist(),
            "dropped": dict(self.dropped),
        }


@dataclass(frozen=True, slots=True)
class _Grid:
    """A file's coordinates (H, W, 3), its valid pixels, and what was dropped by why; `given`: the file has all three,
    else they come from depths or heights."""

    values: np.ndarray
    valid: np.ndarray
    dropped: dict[str, int]
    given: bool = True


def read_scan(path: str | Path, options: ScanOptions = AS_FOUND) -> Scan:
    """The scan in a file. SourceError, naming it, where it is broken, holds too few returns, or where its frame or unit
    is not sure."""
    path = Path(path)
    values = read_grid(path)
    grid = _coordinates(values) if values.ndim == 3 else _lifted(path, values, options)
    checked_returns(path, grid.values[grid.valid])
    frame = _frame(path, grid, options)
    size = _size(frame, grid)
    unit = _unit(path, frame, size, options)
    xyz, dropped = _metres(grid, frame, unit)
    notes = [*_notes(frame, dropped, grid.given)]
    if isinstance(frame.view, Raster) and options.viewpoint is None and _border_is_nearer(xyz):
        doubt = "has a border that stands out before the rest: its heights may be depths"
        notes.append(Note("camera", doubt, "source.viewpoint", warning=True))
    return Scan(xyz, frame, unit, size, dropped, tuple(notes))


def checked_returns(path: Path, returns: np.ndarray) -> np.ndarray:
    """The points or depths (N, ...) of a scan. SourceError, naming its file, where they are too few."""
    if len(returns) < LEAST_RETURNS:
        found = "no point at all" if len(returns) == 0 else f"{len(returns)} points, wanted at least {LEAST_RETURNS}"
        raise SourceError(f"{path} holds {found}; scan it again or remove it")
    return returns


def with_unit(files: Sequence[Path], options: ScanOptions) -> tuple[ScanOptions, tuple[Note, ...]]:
    """The options with the unit that the first few of a product's scans suggest, and the note that says so; as they are
    where a unit is given, or none of them can be read."""
    if options.unit != "auto" or options.step is not None:
        return options, ()
    found: dict[str, list[Scan]] = defaultdict(list)
    for file in files[:LOOKED_AT]:
        try:
            scan = read_scan(file, options)
        except SourceError:  # told when the file itself is read
            continue
        found[scan.unit].append(scan)
    if not found:
        return options, ()
    unit, scans = max(found.items(), key=lambda item: len(item[1]))
    what, size = _measure(scans[0].frame)[0], scans[0].size
    close = unit == "mm" and size < CLOSE and not scans[0].orthographic
    doubt = "; say source.unit: cm if those are centimetres" if close else ""
    text = f"is read in {NAMES[unit]}, as {what} of {size:.4g} suggests{doubt}"
    return replace(options, unit=unit, inferred=True), (Note("unit", text, "source.unit", warning=close),)  # type: ignore[arg-type]


def _coordinates(values: np.ndarray) -> _Grid:
    """A file that holds three coordinates a pixel."""
    dropped: dict[str, int] = {}
    valid = np.isfinite(values).all(-1) if values.dtype.kind == "f" else np.ones(values.shape[:2], bool)
    _drop(dropped, LOST, ~valid)
    valid &= values.any(-1)
    for _ in range(MOST_CODES):
        code = _code(values, valid)
        if code is None:
            break
        marked = valid & (values[..., 2] == code)
        _drop(dropped, f"the value {code:g}", marked)
        valid &= ~marked
    return _Grid(values, valid, dropped)


def _code(values: np.ndarray, valid: np.ndarray) -> float | None:
    """The depth that stands for no return, None where there is none: that of one place that many pixels share, or a few
    off all others; or the least or largest, met more than once, further off than all others are apart and wide."""
    depth = values[..., 2][valid]
    if depth.size < LEAST_RETURNS:
        return None
    few = depth[:: max(1, depth.size // 20_000)].astype(np.float64)
    met, times = np.unique(few, return_counts=True)
    common, low, high = met[times.argmax()], depth.min(), depth.max()
    shared = values[valid & (values[..., 2] == common)]
    if len(shared) > LEAST_RETURNS and not np.ptp(shared, axis=0).any():
        return float(common)
    inner = few[(few != low) & (few != high)]
    if inner.size == 0:
        return None
    near, far = np.percentile(inner, (1, 99))
    for code, gap in ((low, near - low), (high, high - far)):
        shared = values[valid & (values[..., 2] == code)]
        if len(shared) > 1 and gap > OFF * (far - near) and not np.ptp(shared, axis=0).any():
            return float(code)
        if gap <= FAR_OFF * (far - near) or len(shared) < 2:
            continue
        others = values[valid & (values[..., 2] != code)][:, :2].astype(np.float64)
        if len(others) and gap > np.ptp(np.percentile(others, (1, 99), axis=0), axis=0).max():
            return float(code)
    return None


def _lifted(path: Path, values: np.ndarray, options: ScanOptions) -> _Grid:
    """A file that holds one depth or height a pixel: the coordinates that its camera gives it."""
    camera = options.camera
    if isinstance(camera, str):
        raise SourceError(
            f"{path} holds one depth a pixel; give the camera as source.camera: {{fx: ..., fy: ..., cx: ..., cy: ...}} "
            "in px, or {pitch_mm: ...} for heights under parallel rays"
        )
    depth = values.astype(np.float64)
    dropped: dict[str, int] = {}
    valid = np.isfinite(depth)
    _drop(dropped, LOST, ~valid)
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    if isinstance(camera, Camera):
        valid &= depth > 0
        if values.dtype.kind == "u" and (full := np.iinfo(values.dtype).max) == values.max():
            _drop(dropped, f"the value {full}", valid & (values == full))
            valid &= values != full
        depth = np.where(valid, depth if options.step is None else depth * options.step, 0)
        return _Grid(camera.rays(rows, columns) * depth[..., None], valid, dropped, given=False)
    if options.unit == "auto":
        raise SourceError(f"{path} holds heights, whose unit nothing tells; say source.unit, such as mm")
    if values.dtype.kind == "u":
        valid &= depth > 0
    down, right = (1e-3 * side * PER_METRE[options.unit] for side in camera)
    grid = _coordinates(np.stack([columns * right, rows * down, np.where(valid, depth, np.nan)], -1))
    return replace(grid, given=False)


def _frame(path: Path, grid: _Grid, options: ScanOptions) -> Frame:
    if isinstance(options.camera, Camera):
        if grid.given:
            raise SourceError(f"{path} holds coordinates, which tell their camera; leave source.camera out")
        return Frame(np.eye(4), options.camera, 0.0)
    orthographic = options.camera == "orthographic" or not grid.given
    viewpoint = None if options.viewpoint is None else np.array(options.viewpoint, np.float64)
    try:
        return find_frame(grid.values, grid.valid, orthographic, viewpoint)
    except FrameUnknownError as problem:
        if grid.values.dtype.kind == "u":
            cut = "holds unsigned integers, so that negative coordinates were cut off; export signed ones"
            raise SourceError(f"{path} {cut}") from problem
        raise SourceError(f"{path} {problem}") from problem
    except SampleError as problem:
        raise SourceError(f"{path}: {problem}") from problem


def _size(frame: Frame, grid: _Grid) -> float:
    """In the file's unit: the median depth of what a pinhole sees, or the width of what parallel rays do."""
    points = frame.moved(grid.values[grid.valid][:: max(1, grid.valid.sum() // 20_000)].astype(np.float64))
    if isinstance(frame.view, Camera):
        return float(np.median(points[:, 2]))
    return float(np.ptp(np.percentile(points[:, :2], (1, 99), axis=0), axis=0).max())


def _unit(path: Path, frame: Frame, size: float, options: ScanOptions) -> str:
    """The unit that is given, or that the size suggests. SourceError where it suggests none, or does not go with what
    the other scans of the product are read in."""
    if options.step is not None:
        return "m"
    if options.unit != "auto" and not options.inferred:
        return options.unit
    what, ranges = _measure(frame)
    suggested = next((unit for unit, (low, high) in ranges.items() if low <= size <= high), None)
    if options.inferred:
        low, high = ranges[options.unit]
        if suggested != options.unit and not low / BEYOND <= size <= high * BEYOND:
            raise SourceError(
                f"{path}: {what} of {size:.4g} does not go with its product's other scans, which are read in "
                f"{NAMES[options.unit]}; convert it, or say source.unit for all"
            )
        return options.unit
    if suggested is None:
        raise SourceError(f"{path}: {what} of {size:.4g} is neither metres nor millimetres; say source.unit")
    return suggested


def _measure(frame: Frame) -> tuple[str, dict[str, tuple[float, float]]]:
    """What suggests the unit, and its ranges."""
    return ("a median depth", DEPTHS) if isinstance(frame.view, Camera) else ("a width", WIDTHS)


def _metres(grid: _Grid, frame: Frame, unit: str) -> tuple[np.ndarray, dict[str, int]]:
    """The cloud as inside, and what was dropped by why."""
    with np.errstate(over="ignore", invalid="ignore"):
        points = grid.values if frame.kept else frame.moved(np.asarray(grid.values, np.float64))
        xyz = np.asarray(points).astype(np.float32)
        if unit != "m":
            xyz /= np.float32(PER_METRE[unit])
    dropped = dict(grid.dropped)
    behind = grid.valid & ~(np.isfinite(xyz).all(-1) & (xyz[..., 2] > 0))
    _drop(dropped, "points behind the camera", behind)
    xyz[~grid.valid | behind] = 0
    return xyz, dropped


def _border_is_nearer(xyz: np.ndarray) -> bool:
    """Whether the border of a scan (H, W, 3) lies nearer to the sensor than what it surrounds, as no table does."""
    depth, inset = xyz[..., 2], max(1, min(xyz.shape[:2]) // 20)
    inside = np.zeros(depth.shape, bool)
    inside[inset:-inset, inset:-inset] = True
    border, inner = depth[~inside & (depth > 0)], depth[inside & (depth > 0)]
    if min(len(border), len(inner)) < LEAST_RETURNS:
        return False
    near, far = np.percentile(inner, (5, 95))
    level = float(np.median(border))
    return bool(far - level > STANDS_OUT * max(level - near, 0) and far - level > 0.5 * (far - near))


def _drop(dropped: dict[str, int], why: str, where: np.ndarray) -> None:
    if count := int(np.count_nonzero(where)):
        dropped[why] = dropped.get(why, 0) + count


def _notes(frame: Frame, dropped: Mapping[str, int], given: bool) -> Iterator[Note]:
    """What was inferred of a scan; `given`: its file holds coordinates."""
    for why in dropped:
        yield Note("no return", f"has {why}, taken for no return")
    if not given and isinstance(frame.view, Camera):
        return
    if isinstance(frame.view, Raster):
        axis = _axes(frame.matrix)[2]
        height = "heights towards" if axis.startswith("-") else "depths away from"
        text = f"is seen along parallel rays, its {axis.lstrip('-')} being {height} the sensor"
        yield Note("camera", f"{text}; samples and exports have z away from it", "source.camera, source.viewpoint")
    elif frame.kept:
        yield Note("camera", "is seen by a camera at the origin that looks along z", "source.viewpoint")
    else:
        axes = _axes(frame.matrix)
        how = f"{', '.join(axes)} of the file as x, y, z" if axes else "from where its pixels say that the camera stood"
        text = f"is turned to the camera's frame, {how}; samples and exports are in that frame"
        yield Note("camera", text, "source.viewpoint")
    if frame.off > RESAMPLED:
        yield Note("camera", "was resampled: its points lie up to a pixel or two off their rays", "source.camera")


def _axes(matrix: np.ndarray) -> tuple[str, ...]:
    """What the axes of the camera's frame are called in the file's, such as ("x", "-y", "-z"); () if turned freely."""
    turn = matrix[:3, :3]
    if not np.isin(turn, (-1, 0, 1)).all():
        return ()
    return tuple(("-" if row.sum() < 0 else "") + "xyz"[int(np.abs(row).argmax())] for row in turn)
