"""What a layout finds in a folder, before a pixel is read: entries to read, and problems to report.

A reader of a layout is one function `root, options -> Listing`. `samples` reads what it lists and stops at the first
bad file; `synth.pipeline.inspect` reports everything instead.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synth.cache import Cache
from synth.errors import SourceError
from synth.io.images import SUFFIXES, content_hash
from synth.io.names import as_path, composed, is_utf8
from synth.io.points import CloudOptions
from synth.printable import printable
from synth.sample import Sample
from synth.sources.agreement import HALF, Agreement
from synth.sources.labels.marks import LabelMask
from synth.sources.leftovers import told
from synth.sources.notes import Note
from synth.sources.problem import Problem
from synth.sources.reading import UNSAID, Reading, read_pair
from synth.sources.scan_options import AS_FOUND, ScanOptions
from synth.sources.walk import unlistable, walk

OPEN_BYTES = 1 << 29
"""Pixels and points of the samples that `reopen` keeps in memory, in bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image and its mask: as paths, or the mask as the `label` of a file of labels.

    `defect` None = good; `split` as in Sample; `id` names the product and the place below its folder, so that it never
    depends on what else lies there. `xyz`: its organised cloud, read with the options of `scan`. `cloud`: `file` is a
    cloud or mesh itself, read so; its `mask` is where its labels come from. `listed`: a split file gives its split.
    `reading`: what the recipe says about image files. `notes`: what was inferred from its name and folders. `window`:
    top, left, height and width in px of what is read of the image and its mask, None = all."""

    id: str
    file: Path
    product: str
    defect: str | None
    split: str
    mask: Path | None = None
    xyz: Path | None = None
    scan: ScanOptions = AS_FOUND
    cloud: CloudOptions | None = None
    listed: bool = False
    reading: Reading = UNSAID
    notes: tuple[Note, ...] = ()
    window: tuple[int, int, int, int] | None = None
    label: LabelMask | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder as one layout sees it; entries sorted by id. `notes`: what was inferred about the whole folder, as
    sentences."""

    layout: str
    root: Path
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether a split file decided the roles."""
        return any(entry.listed for entry in self.entries)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def samples(listing: Listing) -> Iterator[Sample]:
    """Read the entries one after the other. Raises SourceError for the listing's first error, before any image is
    opened, for the first file that cannot be read, and at the end for what the samples do not agree on."""
    if listing.errors:
        more = len(listing.errors) - 1
        hint = f" ({more} more: flawsmith inspect {listing.root} lists them)" if more else ""
        raise SourceError(f"{listing.errors[0]}{hint}")
    agreement = Agreement()
    for entry in listing.entries:
        sample = load(entry)
        agreement.add(sample)
        yield sample
    for problem in agreement.problems():
        raise SourceError(str(problem))


def as_problem(problem: SourceError, *files: Path | None) -> Problem:
    """An error's text as (file, what, remedy): it opens with the file at fault and ends in `; remedy`."""
    text = str(problem)
    named = [str(file) for file in files if file is not None]
    fault = next((file for file in named if text.startswith(f"{file} ")), named[0])
    what, _, remedy = text.rpartition("; ")
    return Problem(fault, what.removeprefix(f"{fault} "), remedy)


def load(entry: Entry) -> Sample:
    """The image and mask behind an entry. A good part has an all-False mask, and so has a defect whose mask file
    is blank. Raises SourceError where a file is unreadable or the mask of a good part marks something."""
    if entry.cloud is not None:
        from synth.sources.cloud_samples import load_cloud

        return load_cloud(entry, entry.cloud)
    if entry.window is not None:
        return _window_of(_WHOLE.get(replace(entry, window=None, id=""), lambda: _load_image(entry)), entry)
    return _load_image(entry)


def _window_of(whole: Sample, entry: Entry) -> Sample:
    """The window of an entry, cut from its whole image."""
    assert entry.window is not None
    assert whole.image is not None
    assert whole.mask is not None
    top, left, height, width = entry.window
    window = slice(top, top + height), slice(left, left + width)
    image, mask = np.ascontiguousarray(whole.image[window]), np.ascontiguousarray(whole.mask[window])
    known = {"sha256": content_hash(image), "grey": is_grey(image), "size": (height, width), "entry": entry}
    return replace(whole, id=entry.id, image=image, mask=mask, defect=entry.defect, meta={**whole.meta, **known})


def _load_image(entry: Entry) -> Sample:
    pair = read_pair(entry.file, entry.mask, entry.reading, alone=entry.xyz is None)
    image = pair.image
    size = image.shape[:2]
    mask = pair.mask if entry.label is None else entry.label.read(size, str(entry.file))
    xyz, known, notes = (None, {}, ()) if entry.xyz is None else _read_xyz(entry, size)
    if entry.defect is None and mask.any():
        swapped = ", or say source.inverted_masks: invert where white is the background" if mask.mean() > HALF else ""
        raise SourceError(
            f"{entry.file} is among the good parts, but {entry.mask} marks {int(mask.sum())} px of it; move the "
            f"image to the folder of its defect type, or remove the mask{swapped}"
        )
    return Sample(
        id=entry.id,
        image=image,
        mask=mask,
        xyz=xyz,
        product=entry.product,
        defect=entry.defect,
        split=entry.split,
        meta={
            "file": str(entry.file),
            "mask_file": _mask_file(entry),
            "sha256": content_hash(image),
            "white": pair.white,
            "grey": is_grey(image),
            "size": size,
            "fits": pair.fits,
            "notes": (*pair.notes, *notes),
            "entry": entry,
            **known,
        },
    )


def _mask_file(entry: Entry) -> str | None:
    if entry.label is not None:
        return entry.label.file
    return None if entry.mask is None else str(entry.mask)


def is_grey(image: np.ndarray) -> bool:
    """Whether an image (H, W, 3) shows no colour."""
    return bool((image[..., 1:] == image[..., :1]).all())


def _read_xyz(entry: Entry, size: tuple[int, ...]) -> tuple[np.ndarray, dict[str, Any], tuple[Note, ...]]:
    """The cloud (H, W, 3) behind an image of that size; what the sample's meta says of it, "scan", "background", and
    "camera" where the rays are parallel; and what was inferred."""
    from synth.sources.eyecandies_depth import read_depth
    from synth.sources.scans import read_scan

    assert entry.xyz is not None
    path, options = entry.xyz, entry.scan
    known: dict[str, Any] = {"background": options.background}
    notes: tuple[Note, ...] = ()
    if options.camera == "eyecandies":
        xyz = read_depth(path)
    else:
        scan = read_scan(path, options)
        xyz, notes = scan.xyz, scan.notes
        known["scan"] = scan.facts
        if scan.orthographic:
            known["camera"] = "orthographic"
    if xyz.shape[:2] != size:
        found, wanted = (f"{h} x {w} (height x width)" for h, w in (xyz.shape[:2], size))
        raise SourceError(f"{path} is {found}, its image {entry.file} {wanted}; give both at the size of the sensor")
    return xyz, known, notes


def reopen(sample: Sample) -> Sample:
    """A sample of a folder with its pixels and points, read again where they were let go; the last OPEN_BYTES of them
    are remembered. A sample that came from no folder is given back. Raises SourceError where the file has changed
    since."""
    if sample.image is not None or "entry" not in sample.meta:
        return sample
    file = sample.meta["file"]
    changed = SourceError(f"{file} changed while it was being read; run again when the folder is at rest")
    entry = sample.meta["entry"]
    try:
        again = _OPEN.get((entry, sample.meta["sha256"]), lambda: load(entry))
    except SourceError as problem:
        raise changed from problem
    if again.meta["sha256"] != sample.meta["sha256"]:
        raise changed
    return replace(sample, image=again.image, mask=again.mask, xyz=again.xyz, cloud=again.cloud)


def closed(sample: Sample) -> Sample:
    """A sample of a folder without its pixels and points, which `reopen` reads again; others as they are."""
    return replace(sample, image=None, mask=None, xyz=None, cloud=None) if "entry" in sample.meta else sample


def has_image(sample: Sample) -> bool:
    """Whether a sample has an image, also while it is closed."""
    return sample.image is not None or "entry" in sample.meta


def size_of(sample: Sample) -> tuple[int, int]:
    """(H, W) of a sample with an image, also while it is closed."""
    height, width = sample.meta["size"] if sample.image is None else sample.image.shape[:2]
    return height, width


def has_xyz(sample: Sample) -> bool:
    """Whether a sample has an organised cloud, also while it is closed."""
    entry = sample.meta.get("entry")
    return sample.xyz is not None or (entry is not None and entry.xyz is not None)


def has_cloud(sample: Sample) -> bool:
    """Whether a sample has an unorganised cloud, also while it is closed; its image only shows the points."""
    entry = sample.meta.get("entry")
    return sample.cloud is not None or (entry is not None and entry.cloud is not None)


def is_colourless(sample: Sample) -> bool:
    """Whether a sample is a cloud without colours, also while it is closed."""
    if sample.cloud is not None:
        return sample.cloud.colors is None
    return has_cloud(sample) and not has_xyz(sample) and bool(sample.meta["grey"])


def _bytes(sample: Sample) -> int:
    cloud = sample.cloud
    parts = () if cloud is None else (cloud.points, cloud.normals, cloud.colors, cloud.labels)
    return sum(array.nbytes for array in (sample.image, sample.mask, sample.xyz, *parts) if array is not None)


_OPEN = Cache(OPEN_BYTES, _bytes)
_WHOLE = Cache(1)
"""The image that the last window was cut from: windows of one image are read one after the other."""


def open_root(root: str | Path) -> Path:
    """`root` as a folder that can be listed, or a SourceError."""
    try:
        root = as_path(root, "a source", SourceError).expanduser()
        if not root.exists():
            raise SourceError(
                f"{printable(root)} does not exist; check the path, which in a recipe starts from the recipe's folder"
            )
        if not root.is_dir():
            raise SourceError(f"{root} is a file, wanted a folder of images; give the folder it lies in")
        os.scandir(root).close()
    except OSError as problem:
        raise unlistable(problem) from problem
    except RuntimeError as problem:
        raise SourceError(f"{root}: {problem}; write the path out") from problem
    return Path(root)


class Below(NamedTuple):
    """What lies below a folder: files to read, sorted; what is wrong; what was left out, as sentences."""

    files: list[Path]
    problems: list[Problem]
    notes: tuple[str, ...]


def files_below(
    root: Path, exclude: Sequence[str] = (), follow_links: bool = False
) -> tuple[list[Path], list[Problem]]:
    """The files and the problems of `look_below`."""
    return look_below(root, exclude, follow_links)[:2]


def look_below(root: Path, exclude: Sequence[str] = (), follow_links: bool = False) -> Below:
    """Every file below root without leftovers of other programs, those in a run of ours and those that match a pattern
    of `exclude`, which is an error where it matches nothing; so is a name that is not UTF-8, and a link that leads out
    of root, unless `follow_links`. SourceError for folders more than DEEPEST levels below root."""
    tree = walk(root, _is_run, follow_links)
    found = [*tree.files, *tree.leaving]
    places = {file: composed(file.relative_to(root).as_posix()) for file in found} if exclude else {}
    matches = {
        pattern: {file for file, place in places.items() if fnmatch(place, composed(pattern))} for pattern in exclude
    }
    problems = [
        Problem(str(root), f"no file matches {pattern!r} of source.exclude", "patterns start below this folder")
        for pattern, files in matches.items()
        if not files
    ]
    kept = sorted(set(found).difference(*matches.values()))
    for wrong in dict.fromkeys(_misnamed(file) for file in kept if not is_utf8(str(file))):
        problems.append(Problem(str(wrong.parent / ascii(wrong.name)), "its name is not UTF-8", "rename it"))
    kept = [file for file in kept if is_utf8(str(file))]
    for file in kept:
        if file in tree.leaving:
            what = f"is a link to {printable(tree.leaving[file])}, outside of {root}"
            remedy = "copy what it means into the folder, leave it out with source.exclude, or say source.follow_links"
            problems.append(Problem(str(file), what, remedy))
    for link, target in tree.repeated.items():
        what = f"is a link to {printable(target)}, which is read already, and is not followed"
        problems.append(Problem(printable(link), what, "copy the folder if you mean it twice", "warning"))
    for run in tree.skipped:
        what, remedy = "is a run of flawsmith and not read", "name its folder data as source.root if you mean that"
        problems.append(Problem(printable(run), what, remedy, "warning"))
    note = told(tree.leftovers)
    return Below([file for file in kept if file not in tree.leaving], problems, (note,) if note else ())


def is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def limit_good_images(entries: Sequence[Entry], most: int | None) -> tuple[Entry, ...]:
    """At most this many good parts of each product for training, the first by id; None = all."""
    count: Counter[str] = Counter()
    kept = []
    for entry in entries:
        if entry.defect is None and entry.split == "train":
            count[entry.product] += 1
            if most is not None and count[entry.product] > most:
                continue
        kept.append(entry)
    return tuple(kept)


def _is_run(names: Sequence[str]) -> bool:
    """Whether a folder with files of these names is one that `synth.pipeline.folder` describes."""
    return "ledger.parquet" in names and ("run.lock" in names or "environment.json" in names)


def _misnamed(file: Path) -> Path:
    """Which of the folders above a file, or else the file itself, has a name that is not UTF-8."""
    return next(step for step in (*reversed(file.parents), file) if not is_utf8(step.name))
