"""The one rule for output places: a folder is new, empty or one that the same verb wrote, which a file of its own
marks; a single file is new or marked as one of ours. Nothing of a user's is overwritten."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synth.errors import WriterError
from synth.io.atomic import is_temporary, replacing
from synth.printable import printable

_MARK = "Software"


def check_free(place: Path, whose: str, ours: Collection[str] = ()) -> None:
    """WriterError where `place` is a file, or a folder that holds anything but files of these names, which are `whose`,
    such as "a run's", and unfinished ones."""
    if place.exists() and not place.is_dir():
        raise WriterError(printable(f"{place} is a file; name a folder with --out"))
    held = place.iterdir() if place.is_dir() else ()
    foreign = sorted(path.name for path in held if path.name not in ours and not is_temporary(path))
    if foreign:
        raise WriterError(
            printable(f"{place} holds files that are not {whose}, such as {foreign[0]}; name a new or empty folder")
        )


def check_own_image(path: Path, verb: str) -> None:
    """WriterError where the path is taken by something that `write_own_image` did not write for this verb."""
    if not path.exists():
        return
    try:
        with Image.open(path, formats=("PNG",)) as opened:
            own = opened.info.get(_MARK) == verb
    except (OSError, ValueError, SyntaxError):
        own = False
    if not own:
        raise WriterError(printable(f"{path} exists and was not written by {verb}; name another file"))


def write_own_image(path: Path, image: np.ndarray, verb: str) -> None:
    """uint8 (H, W, 3) as a PNG that is marked as written by this verb."""
    mark = PngInfo()
    mark.add_text(_MARK, verb)
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", compress_level=4, pnginfo=mark)
