"""Images with files of labels, as labelling tools export them: COCO, YOLO segmentation, labelme, CVAT, Label Studio.

    <root>/annotations.json                     COCO or Label Studio, for images anywhere below root
    <root>/images/a.jpg, labels/a.txt           YOLO, with the classes in data.yaml or classes.txt
    <root>/a.jpg, a.json                        labelme
    <root>/annotations.xml, images/a.jpg        CVAT for images
    <root>/train.csv, train_images/a.jpg        run lengths, as of Severstal's steel sheets

An image without a label in a file that lists it is good, and so is one in a folder of good images. An image with
several classes is read once for each, with the mask of that class alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from synth.errors import SourceError
from synth.io.names import composed, own_name
from synth.sources.folder_names import GOOD, MASKS, ROLES
from synth.sources.labels.formats import FormatName, format_of, label_files, read_labels
from synth.sources.labels.labelled import Labelled
from synth.sources.labels.marks import LabelMask, Shape
from synth.sources.labels.yolo import NAMES
from synth.sources.listing import Entry, Listing, Problem, is_image, limit_good_images, look_below, open_root

NO_DEFECT = GOOD | {"background", "_background_", "__ignore__"}
"""Names of classes that mark no defect."""
LOOKED_AT = 5
"""Files of a kind that are opened to recognise labels."""


class Found(NamedTuple):
    """An image that a file of labels names."""

    image: Path
    labels: Path
    labelled: Labelled


def is_labelled(root: Path) -> bool:
    """Whether a folder has images and files of labels, and no masks."""
    files = look_below(root).files
    images = [file for file in files if is_image(file)]
    if not images or any(_is_mask(root, file) for file in images):
        return False
    some = [file for suffix in (".json", ".xml", ".csv") for file in files if file.suffix.lower() == suffix]
    if any(format_of(file) for file in some[:LOOKED_AT]):
        return True
    return any(file.name.lower() in NAMES for file in files) and any(form == "yolo" for form, _ in label_files(files))


def list_labels(
    root: str | Path,
    *,
    labels: str | None = None,
    classes: Mapping[str, Sequence[str | int]] | None = None,
    product: str | None = None,
    good_limit: int | None = None,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
) -> Listing:
    """All labelled images below root as one product. `labels`: a file or folder below root that holds the labels, None
    = all that are found. `classes`: defect type -> the classes that are it, None = each class a type."""
    root = open_root(root)
    files, problems, notes = look_below(root, exclude, follow_links)
    form, sources = _label_files(root, files, labels)
    types = _Types(classes)
    images = _Images(root, [file for file in files if is_image(file)])
    entries: list[Entry] = []
    found: dict[Path, Found] = {}
    for source, labelled in read_labels(form, sources, files):
        image = images.of(source, labelled.image)
        if isinstance(image, Problem):
            problems.append(image)
        elif image in found:
            what = f"is labelled twice, in {found[image].labels} and in {source}"
            problems.append(Problem(str(image), what, "keep one, or name the labels in source.labels"))
        else:
            found[image] = Found(image, source, labelled)
    own = product or own_name(root)
    for one in found.values():
        entries += _entries(root, own, one, types)
    for image in images.files:
        if image not in found and any(part.lower() in GOOD for part in image.relative_to(root).parts[:-1]):
            entries.append(_entry(root, own, image, None, None))
        elif image not in found:
            what = "is named in no file of labels, and is not read"
            problems.append(
                Problem(str(image), what, "label it, or move it into a folder good if it is good", "warning")
            )
    problems.extend(types.unknown(root))
    told = (*notes, _summary(root, form, sources, found, entries), *types.notes())
    entries.sort(key=lambda entry: entry.id)
    return Listing("labels", root, limit_good_images(entries, good_limit), tuple(problems), told)


class _Types:
    """The defect type of each class, and which classes were left out how often."""

    def __init__(self, classes: Mapping[str, Sequence[str | int]] | None) -> None:
        self._given = classes
        self._type_of = {str(name): kind for kind, names in (classes or {}).items() for name in names}
        self._ignored: Counter[str] = Counter()
        self._seen: set[str] = set()

    def of(self, name: str) -> str | None:
        """The type of a class; None for one that is left out, which is counted."""
        self._seen.add(name)
        kind = self._type_of.get(name) if self._given is not None else (None if self.is_none(name) else name)
        if kind is None:
            self._ignored[name] += 1
        return kind

    @staticmethod
    def is_none(name: str) -> bool:
        """Whether a class marks no defect."""
        return name.lower() in NO_DEFECT

    def unknown(self, root: Path) -> Iterator[Problem]:
        """Classes that were asked for and are on no image."""
        for name in sorted(set(self._type_of) - self._seen):
            known = ", ".join(sorted(self._seen)) or "none"
            yield Problem(str(root), f"no label is of class {name!r} of source.classes", f"known are: {known}")

    def notes(self) -> list[str]:
        """What was left out, as sentences."""
        return [
            f"labels of class {name} are left out, on {count} image{'s' * (count > 1)} (decided by source.classes)"
            for name, count in sorted(self._ignored.items())
        ]


class _Images:
    """The images below a root by all the names that a file of labels may call them by."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.root, self.files = root, files
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            for name in {file.name, file.stem}:
                self._by_name[composed(name)].append(file)

    def of(self, labels: Path, name: str) -> Path | Problem:
        """The image that a file of labels calls `name`; of several the one whose path ends most alike."""
        wanted = PurePosixPath(composed(name.replace("\\", "/")))
        some = self._by_name.get(wanted.name, [])
        if not some:
            what = f"labels the image {name}, which is not below {self.root}"
            return Problem(str(labels), what, "copy the image there, or leave the label out")
        beside = [file for file in some if file in (labels.parent / name, self.root / name)]
        alike = {file: _common_end(wanted, file) for file in some}
        nearest = beside or [file for file in some if alike[file] == max(alike.values())]
        if len(nearest) > 1:
            named = ", ".join(str(file.relative_to(self.root)) for file in nearest[:3])
            return Problem(str(labels), f"labels {name}, which may be {named}", "name images by their path")
        return nearest[0]


def _common_end(wanted: PurePosixPath, file: Path) -> int:
    """How many folders of both paths agree, from the file upwards."""
    pairs = zip(reversed(wanted.parts[:-1]), reversed(file.parts[:-1]), strict=False)
    count = 0
    for one, other in pairs:
        if one != composed(other):
            break
        count += 1
    return count


def _label_files(root: Path, files: Sequence[Path], labels: str | None) -> tuple[FormatName, list[Path]]:
    """The one format of the files of labels, and these. SourceError for none and for several formats."""
    within = root if labels is None else root / labels
    if not within.exists():
        raise SourceError(f"{within}, the source.labels, does not exist; name a file or folder below {root}")
    found: dict[FormatName, list[Path]] = defaultdict(list)
    for form, file in label_files(files):
        if file == within or within in file.parents:
            found[form].append(file)
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        named = ", ".join(f"{form} in {some[0].relative_to(root)}" for form, some in found.items())
        raise SourceError(f"{root} holds labels of several formats ({named}); name the ones you mean in source.labels")
    raise SourceError(
        f"{within} holds no labels of COCO, YOLO segmentation, labelme, CVAT or Label Studio; export them as one of "
        "these, or use layout folder for masks"
    )


def _entries(root: Path, product: str, one: Found, types: _Types) -> Iterator[Entry]:
    """One entry for each defect type on an image, one without a type for an image without a defect."""
    shapes: dict[str, list[Shape]] = defaultdict(list)
    for name, some in one.labelled.shapes.items():
        kind = types.of(name)
        if kind is not None:
            shapes[kind] += some
    others = [name for name in one.labelled.shapes if not types.is_none(name)]
    if not shapes and not others:
        yield _entry(root, product, one.image, one.labels, None)
    for kind, drawn in shapes.items():
        label = LabelMask(str(one.labels), tuple(drawn), one.labelled.size)
        yield _entry(root, product, one.image, one.labels, kind, label, several=len(shapes) > 1)


def _entry(
    root: Path,
    product: str,
    image: Path,
    labels: Path | None,
    kind: str | None,
    label: LabelMask | None = None,
    several: bool = False,
) -> Entry:
    place = image.relative_to(root).as_posix()
    name = f"{product}/{place}#{kind}" if several else f"{product}/{place}"
    return Entry(name, image, product, kind, _role(root, image, labels), label=label)


def _role(root: Path, image: Path, labels: Path | None) -> str:
    """The role that the folders of an image or the name of its file of labels say, as in instances_val.json."""
    folders = [part.lower() for part in image.relative_to(root).parts[:-1]]
    if labels is not None and labels.stem != image.stem:
        folders += labels.stem.lower().replace("-", "_").split("_")
    return next((ROLES[word] for word in folders if word in ROLES), "train")


def _summary(
    root: Path, form: FormatName, sources: Sequence[Path], found: Mapping[Path, Found], entries: Sequence[Entry]
) -> str:
    files = f"{sources[0].relative_to(root)}" if len(sources) == 1 else f"{len(sources)} files"
    good = sum(entry.defect is None for entry in entries)
    several = sum("#" in entry.id for entry in entries)
    text = f"labels in the format of {form} ({files}) name {len(found)} images; {good} images without a defect are good"
    return f"{text}; {several} samples share an image with another type, each with its own mask" if several else text


def _is_mask(root: Path, image: Path) -> bool:
    folders = {part.lower() for part in image.relative_to(root).parts[:-1]}
    return bool(folders & (MASKS - {"labels"})) or image.stem.lower().endswith(("_mask", "-mask", "_gt"))
