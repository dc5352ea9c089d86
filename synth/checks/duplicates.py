"""Which real images are one: found by their thumbnails, confirmed by their pixels; no image may have two roles.

Rows of the ledger whose thumbnails are close (32 x 32 grey levels, laid on each other in the best of the eight ways)
may be one image. How close says little where the parts of a product always look alike, as registered ones under a
fixed camera: where an image has many such neighbours, only those count whose difference from all the others agrees
(`alike_in_noise`). Then both files are read again and compared at full size (`one_exposure`). Without their
pixels, as for rendered images and clouds, the thumbnails have to be closer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.checks.exposure import alike_in_noise, fine_print, one_exposure
from synth.checks.ledger import LedgerRow
from synth.errors import LeakError, SourceError
from synth.io.hashes import HASH_SIDE, hash_distances, perceptual_hash, turned, turns
from synth.io.images import content_hash, read_image

NEAR, NEAR_DETAIL = 2.0, 0.7
"""Grey levels between thumbnails, and share of the detail that the plainer of the two shows, up to which two images are
compared at full size."""
SAME, SAME_DETAIL = 1.0, 0.35
"""The same limits where there are no pixels to compare."""
LEAST_DETAIL = 0.5
"""Grey levels; below it a thumbnail shows nothing but shading and rounding, and only equal pixels count."""
RESEMBLES = 0.95
"""Correlation of thumbnails from which an image read again is the one in the ledger."""
CROWD = 6
"""Images as close as NEAR to one, above which thumbnails do not tell copies from others."""

Pixels = Callable[[LedgerRow], np.ndarray | None]
"""The image of a row, uint8 (H, W, 3); None where it cannot be had again."""

_BLOCK = 512
_FEW = 512
_PROJECTIONS = 128
_SLACK = 0.1
"""Grey levels that float32 may be off."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Two rows with one image; `distance` in grey levels between their perceptual hashes."""

    first: LedgerRow
    second: LedgerRow
    distance: float

    @property
    def leaks(self) -> bool:
        """Whether the image has two roles."""
        return self.first.role != self.second.role

    def __str__(self) -> str:
        equal = self.first.sha256 == self.second.sha256
        how = (
            "hold the same pixels"
            if equal
            else f"show one image, copied or turned ({self.distance:.1f} grey levels apart)"
        )
        return f"{self.first.role} {self.first.name} and {self.second.role} {self.second.name} {how}"


def pixels_of_file(row: LedgerRow) -> np.ndarray | None:
    """The image in a row's file, perhaps brighter or turned otherwise than the recipe has it read; None where that
    shows something else by now, or only a part of it is the row's."""
    if row.file is None:
        return None
    try:
        image = read_image(row.file)
    except SourceError:
        return None
    return image if content_hash(image) == row.sha256 or _resembles(image, row) else None


def _resembles(image: np.ndarray, row: LedgerRow) -> bool:
    """Whether an image looks like a row's in one of the eight ways, however bright."""
    known = np.frombuffer(row.perceptual_hash, np.uint8)
    ways = turns(perceptual_hash(image)).reshape(8, -1)
    if not known.std() or not ways[0].std():
        return False
    return float(np.corrcoef(known, ways)[0, 1:].max()) >= RESEMBLES


def check_leaks(ledger: Sequence[LedgerRow], accept: bool = False, pixels: Pixels = pixels_of_file) -> list[Duplicates]:
    """The images that occur twice, as `find_duplicates` pairs them. Raises LeakError, naming both files, where an image
    has two roles, unless `accept`."""
    duplicates = find_duplicates(ledger, pixels)
    leaks = [pair for pair in duplicates if pair.leaks]
    if leaks and not accept:
        more = f" (and {len(leaks) - 1} more pairs)" if len(leaks) > 1 else ""
        raise LeakError(
            f"{leaks[0]}{more}; an image may have one role only: remove one of the two, list one of them in the split "
            "file, leave one out with source.exclude, or accept all with source.duplicates: warn"
        )
    return duplicates


def find_duplicates(ledger: Sequence[LedgerRow], pixels: Pixels = pixels_of_file) -> list[Duplicates]:
    """Rows that are one image, in the order of the ledger: of each group of such rows as many pairs as hold it
    together, so that n copies of an image give n - 1 pairs and not n (n - 1) / 2.

    Every row with a duplicate is in a pair, and a group of several roles has a pair of two roles; rows of one file, its
    windows or its defect types, are no pair. Memory is linear in
    the number of rows; files are read again only of rows whose thumbnails are close to another."""
    if not ledger:
        return []
    first: dict[str, int] = {}
    origin = [first.setdefault(row.sha256, place) for place, row in enumerate(ledger)]
    found = [(one, other, 0.0) for other, one in enumerate(origin) if one != other]
    places = list(first.values())
    files = Counter(row.file for row in ledger)

    def whole(row: LedgerRow) -> np.ndarray | None:
        return pixels(row) if files[row.file] == 1 or row.file is None else None  # else it is a window of its file

    found += ((places[a], places[b], distance) for a, b, distance in _copies([ledger[p] for p in places], whole))
    pairs = (Duplicates(ledger[one], ledger[other], distance) for one, other, distance in sorted(found))
    return [pair for pair in pairs if pair.first.file is None or pair.first.file != pair.second.file]


def duplicate_groups(ledger: Sequence[LedgerRow], pixels: Pixels = pixels_of_file) -> list[list[LedgerRow]]:
    """The rows of each image that occurs more than once, in the order of the ledger."""
    place = {row.id: number for number, row in enumerate(ledger)}
    groups = [sorted(group, key=lambda row: place[row.id]) for group in joined(find_duplicates(ledger, pixels))]
    return sorted(groups, key=lambda group: place[group[0].id])


def joined(pairs: Iterable[Duplicates]) -> list[list[LedgerRow]]:
    """The rows that are one image, directly or through others, together."""
    group: dict[str, list[LedgerRow]] = {}
    for pair in pairs:
        one = group.setdefault(pair.first.id, [pair.first])
        other = group.setdefault(pair.second.id, [pair.second])
        if one is not other:
            one.extend(other)
            group.update(dict.fromkeys((row.id for row in other), one))
    return [rows for id, rows in group.items() if rows[0].id == id]


def _copies(rows: Sequence[LedgerRow], pixels: Pixels) -> Iterator[tuple[int, int, float]]:
    """(row, later row, distance) of rows with different pixels that are one image: a pair for each that joins two
    groups."""
    hashes = np.stack([np.frombuffer(row.perceptual_hash, np.uint8) for row in rows])
    hashes = hashes.reshape(-1, HASH_SIDE, HASH_SIDE)
    near, same = image_limits(hashes, NEAR, NEAR_DETAIL), image_limits(hashes, SAME, SAME_DETAIL)
    image = lru_cache(maxsize=8)(lambda place: pixels(rows[place]))
    fine = cache(lambda place: _fine(image(place), hashes[place]))
    group = np.arange(len(rows))
    for members in _neighbourhoods(hashes, near):
        for first, others in _suspects(hashes, near, members, image, fine):
            others = others[group[others] != group[first]]
            if not len(others):
                continue
            distances = hash_distances(hashes[others], hashes[first : first + 1])[:, 0]
            for second, distance in zip(others.tolist(), distances.tolist(), strict=True):
                if group[second] == group[first] or distance > min(near[first], near[second]):
                    continue
                if _confirmed(image(first), image(second), distance <= min(same[first], same[second])):
                    group[group == group[second]] = group[first]
                    yield min(first, second), max(first, second), distance


def _confirmed(one: np.ndarray | None, other: np.ndarray | None, close: bool) -> bool:
    return close if one is None or other is None else one_exposure(one, other)


def _suspects(
    hashes: np.ndarray,
    limits: np.ndarray,
    members: np.ndarray,
    image: Callable[[int], np.ndarray | None],
    fine: Callable[[int], np.ndarray],
) -> Iterator[tuple[int, np.ndarray]]:
    """(row, others that may be its image) among rows that look alike."""
    if len(members) <= _FEW:
        near = hash_distances(hashes[members], hashes[members]) <= np.minimum.outer(limits[members], limits[members])
        if near.sum(1).max() <= CROWD + 1:
            yield from ((int(one), members[n + 1 :][near[n, n + 1 :]]) for n, one in enumerate(members))
            return
    if _all_one_exposure(members, image):
        yield int(members[0]), members[1:]
    prints = [fine(int(place)) for place in members]
    ways = [int(np.square(turns(own) - prints[0]).sum((1, 2)).argmin()) for own in prints]
    laid = np.stack([turned(own, way) for own, way in zip(prints, ways, strict=True)])
    yield from ((int(members[one]), members[others]) for one, others in alike_in_noise(laid))


def _all_one_exposure(members: np.ndarray, image: Callable[[int], np.ndarray | None]) -> bool:
    """Whether rows that look alike are copies of a single image, to judge by some: then nothing tells them apart."""
    first = image(int(members[0]))
    others = (image(int(members[len(members) * part // 4])) for part in (1, 2, 3))
    return all(first is not None and other is not None and one_exposure(first, other, False) for other in others)


def _fine(image: np.ndarray | None, thumbnail: np.ndarray) -> np.ndarray:
    return thumbnail.astype(np.float32) if image is None else fine_print(image)


def _neighbourhoods(hashes: np.ndarray, limits: np.ndarray) -> Iterator[np.ndarray]:
    """Ascending indices of rows that look alike, so that every two rows within their limits are together in one of
    these. A row's neighbourhood covers the rows up to twice NEAR from it and, to be complete for them, holds those up
    to three times as far."""
    left = np.zeros(len(hashes), bool)
    left[_with_neighbours(hashes, limits)] = True
    among = np.flatnonzero(left)
    for row in among:
        if not left[row]:
            continue
        distances = hash_distances(hashes[among], hashes[row : row + 1])[:, 0]
        left[row] = False
        if (distances <= 2 * NEAR).sum() > 1:
            left[among[distances <= 2 * NEAR]] = False
            yield among[distances <= 3 * NEAR + _SLACK]


def _with_neighbours(hashes: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Indices of all rows with another within their limits, and of a few more. First by values that no turn changes,
    then in the eight ways by random projections, whose distances are within a few per cent of the true ones."""
    rows = np.flatnonzero(limits > 0)
    if len(rows) < 2:
        return rows[:0]
    unturned = _unturned(hashes[rows])
    unturned -= unturned.mean(0)
    along = unturned @ np.linalg.eigh(unturned.T @ unturned)[1][:, -1] / np.sqrt(unturned.shape[1])
    order = np.argsort(along, kind="stable")
    rows, along, unturned = rows[order], along[order], unturned[order] / np.sqrt(unturned.shape[1])
    close = _any_close(unturned[None], along, limits[rows] + _SLACK)
    rows, along = rows[close], along[close]
    scale = (HASH_SIDE**2 * _PROJECTIONS) ** -0.5
    directions = np.random.default_rng(0).normal(0, scale, (_PROJECTIONS, HASH_SIDE, HASH_SIDE)).astype(np.float32)
    turned_too = np.stack([turns(direction).reshape(8, -1) for direction in directions], axis=-1)
    flat = (hashes[rows].reshape(-1, HASH_SIDE**2).astype(np.float32) - 128) @ turned_too
    return rows[_any_close(flat, along, 1.25 * limits[rows] + _SLACK)]


def _any_close(ways: np.ndarray, along: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Whether any other row, laid in any of the ways (k, N, d), is within the reach of each, (N,) bool. Rows ascend
    `along` a direction: what is far apart in it is far apart."""
    near = np.zeros(len(along), bool)
    squares = np.square(ways[0]).sum(1)
    for start in range(0, len(along), _BLOCK):
        rows = slice(start, start + _BLOCK)
        columns = slice(start, np.searchsorted(along, along[rows][-1] + reach.max(), side="right"))
        products = ways[0, rows] @ ways[0, columns].T
        for way in ways[1:]:
            np.maximum(products, ways[0, rows] @ way[columns].T, out=products)
        gaps = squares[rows, None] + squares[None, columns] - 2 * products
        close = gaps <= np.square(np.minimum.outer(reach[rows], reach[columns]))
        np.fill_diagonal(close, False)
        near[rows] |= close.any(1)
        near[columns] |= close.any(0)
    return near


def _unturned(hashes: np.ndarray) -> np.ndarray:
    """Values (N, 256) float32 of thumbnails (N, 32, 32) that no turn changes and that are at most as far apart as the
    thumbnails in the best of the eight ways: means of 2 x 2, those that turns exchange sorted."""
    side = HASH_SIDE // 2
    small = hashes.reshape(-1, side, 2, side, 2).mean((2, 4), dtype=np.float32).reshape(-1, side * side)
    orbits = turns(np.arange(side * side).reshape(side, side)).reshape(8, -1)
    _, first = np.unique(np.sort(orbits, axis=0), axis=1, return_index=True)
    return np.concatenate([np.sort(small[:, np.unique(orbits[:, place])], axis=1) for place in first], axis=1)


def image_limits(hashes: np.ndarray, most: float, share: float) -> np.ndarray:
    """Largest distance (N,) at which another image may be the same as each of these (N, 32, 32): `most` grey levels and
    `share` of the detail it shows; -1 where that is too little to decide."""
    values = hashes.astype(np.float32)
    detail = (values - gaussian_filter(values, (0, 2, 2))).std((1, 2))
    return np.where(detail < LEAST_DETAIL, -1.0, np.minimum(most, share * detail))
