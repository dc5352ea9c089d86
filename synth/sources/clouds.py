"""Point clouds and meshes without images: a folder of files, or the trees of Real3D-AD, Anomaly-ShapeNet and MulSen-AD.

<root>/NAME.stl (.obj .off .glb .ply .pcd .xyz .pts .csv .npz .npy)  each a good part of one product
<root>/<class>/train/*template*.pcd                          Real3D-AD: whole parts, millimetres
<root>/<class>/test/NAME.pcd, gt/NAME.txt                    x y z label; the rows are the cloud to use
<root>/[pcd/]<class>/train/<class>_template0.pcd             Anomaly-ShapeNet
<root>/[pcd/]<class>/test/<class>_bulge0.pcd, GT/<stem>.txt  x,y,z,label
<root>/<class>/Pointcloud/train/0.stl                        MulSen-AD, beside its folders RGB and Infrared
<root>/<class>/Pointcloud/test/<type>/0.stl, GT/<type>/0.txt x,y,z of the points on the defect
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.errors import SourceError
from synth.io.array_clouds import is_rows
from synth.io.columns import LABEL, POINTS
from synth.io.names import own_name
from synth.io.normals import Normals
from synth.io.points import CLOUDS, MESHES, CloudOptions
from synth.io.regular import regular_file
from synth.io.text_clouds import count_of_numbers, header, separator_of
from synth.io.units import Unit
from synth.sources.cloud_units import with_units
from synth.sources.leftovers import leftover
from synth.sources.listing import (
    Entry,
    Listing,
    Problem,
    files_below,
    is_image,
    limit_good_images,
    look_below,
    open_root,
)
from synth.sources.product_tree import by_name, divide, product_folders

GOOD = ("good", "positive")
PARTS = ("train", "test")
TRUTH = ("gt", "GT")
MULSEN = "Pointcloud"
"""The folder of a class of MulSen-AD that holds its clouds."""
SHAPENET = "pcd"
"""The folder of Anomaly-ShapeNet that holds its classes."""
BEGINNING = 10_000
"""Characters of a text that are looked at."""
TEXTS = (".txt", ".csv", ".asc")
"""What may be a cloud, and may as well be something else."""
ARRAYS = (".npy", ".npz")
FEW = 3
"""Files of a folder that are not read and named one by one."""
PLACES = "train or test in a class's folder"


def is_clouds(root: Path) -> bool:
    """Whether the folder is one of those trees and has fewer images than clouds, or else holds clouds and has no images
    in sub-folders. Text does not count as a cloud beside images: it may be their labels; nor do arrays."""
    classes = _classes(root)
    if not classes and not any(_is_cloud(file) for file in root.iterdir() if not leftover(file.name)):
        return False
    files, _ = files_below(root)
    if any(folder.name == MULSEN for folder in classes):
        return True
    images = [file for file in files if is_image(file)]
    clouds = [file for file in files if _is_cloud(file)]
    if images and not classes and all(file.suffix.lower() in TEXTS + ARRAYS for file in clouds):
        return False
    inner = sum(file.parent != root for file in images)
    return inner == 0 or (bool(classes) and inner < len(clouds))


def list_clouds(
    root: str | Path,
    *,
    product: str | None = None,
    points: int = 20_000,
    unit: Unit | Mapping[str, Unit] = "auto",
    columns: Sequence[str] = (),
    normals: Normals = "auto",
    viewpoint: tuple[float, float, float] | None = None,
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
) -> Listing:
    """The clouds below a folder. `points`, `columns`, `normals` and `viewpoint` are those of
    `synth.io.points.CloudOptions`; `unit` one for all files, or by pattern; auto is one for all files of a product."""
    root = open_root(root)
    files, problems, notes = look_below(root, exclude, follow_links)
    options = CloudOptions(points, "auto", tuple(columns), normals, viewpoint)
    classes = _classes(root)
    by_name(folder.parent if folder.name == MULSEN else folder for folder in classes)  # refuses two of one name
    entries: list[Entry] = []
    if classes:
        below, outside = divide(files, classes)
        read, told = _without_sensors(root, classes, outside)
        problems.extend(_misplaced(root, read))
        notes = (*notes, *told)
        for folder in classes:
            known = _class_of(folder, product if len(classes) == 1 else None)
            for made in _class_entries(known, below[folder], options):
                if isinstance(made, Entry):
                    entries.append(made)
                else:
                    problems.append(made)
    else:
        own = product or own_name(root)
        for file in filter(_is_cloud, files):
            place = file.relative_to(root).as_posix()
            entries.append(Entry(f"{own}/{place}", file, own, None, "train", cloud=options))
    if not entries and not any(problem.severity == "error" for problem in problems):
        wanted = ", ".join(MESHES + CLOUDS)
        raise SourceError(f"{root} holds no point cloud and no mesh ({wanted}); name another folder")
    kept = limit_good_images(sorted(entries, key=lambda entry: entry.id), good_limit)
    found, wrong = with_units(root, kept, unit, tree=bool(classes))
    return Listing("clouds", root, found, (*problems, *wrong), notes)


def _classes(root: Path) -> list[Path]:
    """The folders with train and test of each class."""
    found = product_folders(root, _is_class)
    if found:
        return found
    nested = [folder / MULSEN for folder in product_folders(root, lambda folder: _is_class(folder / MULSEN))]
    if nested or not (root / SHAPENET).is_dir():
        return nested
    return product_folders(root / SHAPENET, _is_class)


def _is_cloud(file: Path, text: bool = False) -> bool:
    """`text`: rows of numbers in plain text are one too, as in a tree with labels."""
    suffix = file.suffix.lower()
    if suffix not in MESHES + CLOUDS:
        return False
    if suffix == ".npy":
        return is_rows(file)
    return suffix not in TEXTS or ((text or suffix != ".txt") and _has_rows(file))


def _first_row(file: Path) -> int | None:
    """How many numbers the first row of a text has that is no comment; None where it cannot be opened."""
    try:
        with regular_file(file).open(errors="replace") as text:
            lines = text.read(BEGINNING).splitlines()
    except (OSError, SourceError):
        return None
    rows = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    while rows and (header(rows[:1]) or rows[0].isdigit()):
        rows.pop(0)
    if not rows:
        return 0
    try:
        return count_of_numbers(rows[0], separator_of(rows[0]))
    except ValueError:  # decimal commas: reading it says so
        return len(POINTS)


def _has_rows(file: Path) -> bool:
    """Whether a text begins with three numbers, as a cloud does and a readme does not. Also where it cannot be opened:
    reading it says why."""
    found = _first_row(file)
    return found is None or found >= len(POINTS)


def _without_sensors(root: Path, classes: Sequence[Path], files: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """The files outside of the clouds' folders without those of MulSen-AD's other sensors, which are told."""
    folders = {folder.parent for folder in classes if folder.name == MULSEN}
    other = Counter(
        file.relative_to(home).parts[0] for file in files for home in file.parents if home in folders and is_image(file)
    )
    kept = [file for file in files if not (is_image(file) and folders.intersection(file.parents))]
    counts = ", ".join(f"{number:,} of {name}" for name, number in sorted(other.items()))
    return kept, (f"{root}: images are not read beside the clouds: {counts}",) if counts else ()


def _misplaced(root: Path, files: Sequence[Path]) -> Iterator[Problem]:
    """Warnings for images and clouds that are not read; many in one folder are counted."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        if is_image(file) or _is_cloud(file):
            place = file.relative_to(root).parts
            by_folder[root / place[0] if len(place) > 1 else root].append(file)
    for folder, found in by_folder.items():
        if len(found) > FEW:
            what = f"holds {len(found)} images, clouds or meshes that are not where such a tree has them, and not read"
            yield Problem(
                str(folder), what, f"move clouds to {PLACES}, or leave them out with source.exclude", "warning"
            )
        else:
            yield from map(_unread, found)


def _unread(file: Path) -> Problem:
    if is_image(file):
        remedy = "leave it out with source.exclude, or name a folder of images alone if they are your data"
        return Problem(str(file), "is an image in a tree of clouds, and is not read", remedy, "warning")
    what = "is not where such a tree has clouds, and is not read"
    return Problem(str(file), what, f"move it to {PLACES}, or leave it out with source.exclude", "warning")


def _is_class(folder: Path) -> bool:
    if not all((folder / part).is_dir() for part in PARTS):
        return False
    text = any((folder / name).is_dir() for name in TRUTH)
    places = (folder / "train", *(folder / "train" / name for name in GOOD))
    files = (file for place in places if place.is_dir() for file in place.iterdir() if not leftover(file.name))
    return any(not file.is_dir() and _is_cloud(file, text) for file in files)


@dataclass(frozen=True, slots=True)
class Class:
    """A class of a tree. folder: with train and test; product: its name; words: how its files' names may begin."""

    folder: Path
    product: str
    words: tuple[str, ...]


def _class_of(folder: Path, product: str | None) -> Class:
    home = folder.parent if folder.name == MULSEN else folder
    return Class(folder, product or own_name(home), (own_name(home), home.resolve().name))


def _class_entries(known: Class, files: Sequence[Path], options: CloudOptions) -> Iterator[Entry | Problem]:
    truth: dict[tuple[tuple[str, ...], str], Path] = {}
    clouds: list[tuple[str, tuple[str, ...], Path]] = []
    text = any((known.folder / name).is_dir() for name in TRUTH)
    by_type = not any(file.parent == known.folder / "test" and _is_cloud(file, text) for file in files)
    for file in files:
        part, *below = file.relative_to(known.folder).parts[:-1] or ("",)
        kinds = tuple(below)
        if part in TRUTH and file.suffix == ".txt":
            truth[kinds, file.stem] = file
        elif part in PARTS and (not kinds or _is_type(part, kinds[0], by_type)) and _is_cloud(file, text):
            clouds.append((part, kinds, file))
        elif part in PARTS and text and file.suffix.lower() == ".txt":
            what = "holds no rows of numbers, and is not read"
            yield Problem(str(file), what, "remove it; a cloud as text is x y z in rows", "warning")
        elif is_image(file) or _is_cloud(file):
            yield _unread(file)
    unmarked: Counter[str] = Counter()
    for part, kinds, file in clouds:
        words = [kinds[0]] if kinds else _words(file.stem, known.words)
        kind = words[-1] if words else file.stem
        place = f"{known.product}/{'/'.join((part, *kinds, file.name))}"
        if part == "train" or any(word in GOOD for word in words):
            yield Entry(place, file, known.product, None, part, cloud=options)
        elif (labelled := truth.get((kinds, file.stem))) is not None:
            yield _labelled(Entry(place, file, known.product, kind, part, labelled, cloud=options), options)
        elif kinds and not any(own == kinds for own, _ in truth):
            unmarked[kind] += 1
        else:
            wanted = "/".join(("gt", *kinds, f"{file.stem}.txt"))
            yield Problem(str(file), f"has no labels; wanted {wanted}", "add the file, x y z label in rows")
    for kind, number in unmarked.items():
        what = f"has {number} clouds of {kind} without any labels, which are not read"
        yield Problem(str(known.folder), what, f"add gt/{kind} if points mark them", "warning")


def _is_type(part: str, folder: str, by_type: bool) -> bool:
    """Whether a folder below train or test holds the clouds of a type."""
    return folder in GOOD or (part == "test" and by_type)


def _labelled(entry: Entry, options: CloudOptions) -> Entry:
    """The entry of a defect whose file of labels holds the cloud, x y z label in rows, or the points on the defect."""
    assert entry.mask is not None
    if _first_row(entry.mask) == len(POINTS):
        return entry
    return replace(entry, file=entry.mask, cloud=replace(options, columns=(*POINTS, LABEL)))


def _words(stem: str, names: Sequence[str]) -> list[str]:
    """The words of a file's name without numbers, the product, and what kind of scan it is: airplane_bulge3 and
    12_bulge_cut (a scan cut to one side) -> bulge; 12_cut -> cut."""
    words = _letters(stem)
    own = next((own for name in names if (own := _letters(name)) and words[: len(own)] == own), [])
    words = words[len(own) :]
    while len(words) > 1 and words[-1] in ("cut", "copy"):
        words.pop()
    return words


def _letters(name: str) -> list[str]:
    return [word for word in re.split(r"[_\d]+", name) if word]
