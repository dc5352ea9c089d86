"""Real-IAD: images of several views of each part, with JSON files that list them.

<root>/<product>/OK/S0001/<name>_C1_<time>.jpg
<root>/<product>/NG/<type>/S0026/<name>.jpg and .png        the mask, of the same name
<root>/realiad_jsons/<product>.json                         train and test; found beside or above the products
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.errors import SourceError
from synth.io.json_text import JsonTextError, load_json
from synth.io.regular import read_text
from synth.sources.listing import Entry, Problem, is_image
from synth.sources.product_tree import ProductTree, misplaced

TITLE = "Real-IAD"
PLACES = "OK/<part> or NG/<type>/<part> in a product's folder"


def _is_product(folder: Path) -> bool:
    return (folder / "NG").is_dir() and any((folder / "OK").glob("S[0-9]*/"))


def _entries(folder: Path, product: str, files: Sequence[Path]) -> Iterator[Entry | Problem]:
    testing = _test_images(folder)
    masks = {file.with_suffix(""): file for file in files if file.suffix.lower() == ".png"}
    for file in filter(is_image, files):
        if file in masks.values() and any(file.with_suffix(end) in files for end in (".jpg", ".JPG", ".jpeg")):
            continue
        place = file.relative_to(folder)
        split = "test" if place.as_posix() in testing else "train"
        name = f"{product}/{place.as_posix()}"
        match place.parts:
            case ("OK", *_):
                yield Entry(name, file, product, None, split)
            case ("NG", kind, *_, _):
                mask = masks.get(file.with_suffix(""))
                if mask is None or mask == file:
                    yield Problem(str(file), f"has no mask; wanted {file.with_suffix('.png')}", "copy it again")
                else:
                    yield Entry(name, file, product, kind, split, mask)
            case _:
                yield misplaced(file, TITLE, PLACES)


def _test_images(folder: Path) -> set[str]:
    """Paths below the product's folder of the images that its JSON file lists for testing; none without such a file."""
    places = (folder.parent, folder.parent / "realiad_jsons", folder.parent.parent / "realiad_jsons")
    path = next((place / f"{folder.name}.json" for place in places if (place / f"{folder.name}.json").is_file()), None)
    if path is None:
        return set()
    try:
        content = load_json(read_text(path))
        return {str(row["image_path"]).removeprefix(f"{folder.name}/") for row in content["test"]}
    except (JsonTextError, KeyError, TypeError) as problem:
        raise SourceError(f"{path} lists no images for testing ({problem}); copy it again") from problem


REAL_IAD = ProductTree("real_iad", TITLE, _is_product, _entries, f"wanted {PLACES}", PLACES)
list_real_iad = REAL_IAD.listing
