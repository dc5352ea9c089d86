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
from synth.sources.listing import Entry, Listing, Problem, files_below, is_picture, limit_goods, open_root
from synth.sources.points import CLOUDS, MESHES, Unit
from synth.sources.product_tree import product_folders

GOOD = ("good", "positive")
PARTS = ("train", "test")
TRUTH = ("gt", "GT")


def is_clouds(root: Path) -> bool:
    """Whether the folder is one of those trees or holds clouds, and no pictures but those beside its clouds."""
    if not product_folders(root, _is_class) and not any(map(_is_cloud, root.iterdir())):
        return False
    return not any(is_picture(file) and file.parent != root for file in files_below(root)[0])


def list_clouds(
    root: str | Path,
    *,
    product: str | None = None,
    points: int = 20_000,
    unit: Unit = "auto",
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
) -> Listing:
    """The clouds below a folder; `points` and `unit` are those of `synth.sources.points.read_points`."""
    root = open_root(root)
    files, problems = files_below(root, exclude)
    classes = product_folders(root, _is_class)
    own = product or root.resolve().name
    entries: list[Entry] = []
    if classes:
        for folder in classes:
            name = folder.resolve().name if len(classes) > 1 or not product else own
            for made in _class_entries(folder, name, [f for f in files if f.is_relative_to(folder)], points, unit):
                if isinstance(made, Entry):
                    entries.append(made)
                else:
                    problems.append(made)
    else:
        for file in filter(_is_cloud, files):
            place = file.relative_to(root).as_posix()
            entries.append(Entry(f"{own}/{place}", file, own, None, "train", cloud=(points, unit)))
    if not entries and not problems:
        wanted = ", ".join(MESHES + CLOUDS)
        raise SourceError(f"{root} holds no point cloud and no mesh ({wanted}); name another folder")
    entries.sort(key=lambda entry: entry.id)
    return Listing("clouds", root, limit_goods(entries, good_limit), tuple(problems))


def _is_cloud(file: Path, text: bool = False) -> bool:
    """`text`: plain text is one too, as it is in a tree with labels; elsewhere it is what people write about files."""
    suffix = file.suffix.lower()
    return suffix in MESHES + CLOUDS and (text or suffix != ".txt")


def _is_class(folder: Path) -> bool:
    if not all((folder / part).is_dir() for part in PARTS):
        return False
    return any(_is_cloud(file, _has_labels(folder)) for file in (folder / "train").iterdir())


def _has_labels(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in TRUTH)


def _class_entries(
    folder: Path, product: str, files: Sequence[Path], points: int, unit: Unit
) -> Iterator[Entry | Problem]:
    truth = {file.stem: file for file in files if file.parent.name in TRUTH and file.suffix == ".txt"}
    text = _has_labels(folder)
    for file in files:
        part = file.parent.name
        if part not in PARTS or not _is_cloud(file, text):
            continue
        place = f"{product}/{part}/{file.name}"
        words = _words(file.stem, folder.resolve().name)
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
