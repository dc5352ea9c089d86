"""Point clouds and meshes without images: a folder of files, or the trees of Real3D-AD and Anomaly-ShapeNet.

<root>/NAME.stl (.obj .off .glb .ply .pcd .xyz .npz)         each a good part of one product
<root>/<class>/train/*template*.pcd                          Real3D-AD: whole parts, millimetres
<root>/<class>/test/NAME.pcd, gt/NAME.txt                    x y z label; the rows are the cloud to use
<root>/<class>/train/<class>_template0.pcd                   Anomaly-ShapeNet
<root>/<class>/test/<class>_bulge0.pcd, GT/<stem>.txt        x,y,z,label
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.io.names import own_name
from synth.io.points import CLOUDS, MESHES, Unit
from synth.io.regular import regular_file
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
from synth.sources.product_tree import by_name, divide, misplaced, product_folders

GOOD = ("good", "positive")
PARTS = ("train", "test")
TRUTH = ("gt", "GT")
BEGINNING = 10_000
"""Characters of a text that are looked at."""
PLACES = "train or test in a class's folder"


def is_clouds(root: Path) -> bool:
    """Whether the folder is one of those trees and has fewer images than clouds, or else holds clouds and has no images
    in sub-folders. Text does not count as a cloud beside images: it may be their labels."""
    is_tree = bool(product_folders(root, _is_class))
    if not is_tree and not any(_is_cloud(file) for file in root.iterdir() if not leftover(file.name)):
        return False
    files, _ = files_below(root)
    images = sum(is_image(file) and file.parent != root for file in files)
    return images == 0 or (is_tree and images < sum(map(_is_cloud, files)))


def list_clouds(
    root: str | Path,
    *,
    product: str | None = None,
    points: int = 20_000,
    unit: Unit = "auto",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
) -> Listing:
    """The clouds below a folder; `points` and `unit` are those of `synth.io.points.read_points`."""
    root = open_root(root)
    files, problems, notes = look_below(root, exclude, follow_links)
    classes = by_name(product_folders(root, _is_class))
    own = product or own_name(root)
    entries: list[Entry] = []
    if classes:
        below, outside = divide(files, classes.values())
        problems.extend(_misplaced(file) for file in outside if is_image(file) or _is_cloud(file))
        for name, folder in classes.items():
            called = name if len(classes) > 1 or not product else own
            for made in _class_entries(folder, called, below[folder], points, unit):
                if isinstance(made, Entry):
                    entries.append(made)
                else:
                    problems.append(made)
    else:
        for file in filter(_is_cloud, files):
            place = file.relative_to(root).as_posix()
            entries.append(Entry(f"{own}/{place}", file, own, None, "train", cloud=(points, unit)))
    if not entries and not any(problem.severity == "error" for problem in problems):
        wanted = ", ".join(MESHES + CLOUDS)
        raise SourceError(f"{root} holds no point cloud and no mesh ({wanted}); name another folder")
    entries.sort(key=lambda entry: entry.id)
    return Listing("clouds", root, limit_good_images(entries, good_limit), tuple(problems), notes)


def _is_cloud(file: Path, text: bool = False) -> bool:
    """`text`: rows of numbers in plain text are one too, as in a tree with labels."""
    suffix = file.suffix.lower()
    return suffix in MESHES + CLOUDS and (suffix != ".txt" or (text and _has_rows(file)))


def _has_rows(file: Path) -> bool:
    """Whether a text begins with three numbers, as a cloud does and a readme does not. Also where it cannot be opened:
    reading it says why."""
    try:
        with regular_file(file).open(errors="replace") as text:
            lines = text.read(BEGINNING).splitlines()
    except (OSError, SourceError):
        return True
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    try:
        return len([float(word) for word in first.replace(",", " ").split()[:3]]) == 3
    except ValueError:
        return False


def _misplaced(file: Path) -> Problem:
    if is_image(file):
        remedy = "leave it out with source.exclude, or name a folder of images alone if they are your data"
        return Problem(str(file), "is an image in a tree of clouds, and is not read", remedy, "warning")
    return misplaced(file, "Real3D-AD or Anomaly-ShapeNet", PLACES, "clouds")


def _is_class(folder: Path) -> bool:
    if not all((folder / part).is_dir() for part in PARTS):
        return False
    text = _has_labels(folder)
    return any(_is_cloud(file, text) for file in (folder / "train").iterdir() if not leftover(file.name))


def _has_labels(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in TRUTH)


def _class_entries(
    folder: Path, product: str, files: Sequence[Path], points: int, unit: Unit
) -> Iterator[Entry | Problem]:
    truth: dict[str, Path] = {}
    clouds: list[tuple[str, Path]] = []
    text = _has_labels(folder)
    for file in files:
        match file.relative_to(folder).parts:
            case (part, _) if part in TRUTH and file.suffix == ".txt":
                truth[file.stem] = file
            case (part, _) if part in PARTS and _is_cloud(file, text):
                clouds.append((part, file))
            case (part, _) if part in PARTS and text and file.suffix.lower() == ".txt":
                what = "holds no rows of numbers, and is not read"
                yield Problem(str(file), what, "remove it; a cloud as text is x y z in rows", "warning")
            case _ if is_image(file) or _is_cloud(file):
                yield _misplaced(file)
    for part, file in clouds:
        place = f"{product}/{part}/{file.name}"
        words = _words(file.stem, own_name(folder))
        kind = words[-1] if words else file.stem
        good = part == "train" or any(word in GOOD for word in words)
        if not good and file.stem not in truth:
            yield Problem(str(file), f"has no labels; wanted gt/{file.stem}.txt", "add the file, x y z label in rows")
            continue
        labelled = None if good else truth[file.stem]
        defect = None if good else kind
        yield Entry(place, labelled or file, product, defect, part, labelled, cloud=(points, unit))


def _words(stem: str, product: str) -> list[str]:
    """The words of a file's name without numbers, the product, and what kind of scan it is: airplane_bulge3 and
    12_bulge_cut (a scan cut to one side) -> bulge; 12_cut -> cut."""
    words, own = ([word for word in re.split(r"[_\d]+", name) if word] for name in (stem, product))
    words = words[len(own) :] if words[: len(own)] == own else words
    while len(words) > 1 and words[-1] in ("cut", "copy"):
        words.pop()
    return words
