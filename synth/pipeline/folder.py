"""A run on disk: where each thing lies, files that appear whole or not at all, and one process at a time.

outputs/<run>/
  recipe.yaml                                 the resolved recipe; a comment names versions and device
  environment.json                            the same versions and device, for programs
  ledger.parquet                              every real image and its role
  parts.json                                  where each product is in its images, and how that is known
  real/good/<product>/ID.png                  the good images that the generator may use
  real/shots/<product>/<defect>/ID.png        the few real defects it learnt from, and ID_mask.png
  model/                                      what the generator keeps
  samples/<product>/<defect>/ID.png           accepted candidates, and ID_mask.png (255 = defect)
  rejected/<product>/<defect>/ID.webp         a few rejected ones, small, and ID_mask.png
  journal.jsonl                               one line a candidate; append-only
  data/                                       the dataset in the recipe's formats
  manifest.parquet                            written last: what was accepted, with hashes and scores
  report/index.html                           the gallery
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from synth.errors import WriterError
from synth.io.atomic import explain, replacing

BEFORE_RECIPE = {"run.lock", "ledger.parquet", "environment.json", "parts.json"}
"""What a run may have written before its recipe.yaml: anything else in a folder without one is not its own."""
_TEMPORARY = re.compile(r"^\..+\.\d+\.part$")


class RunFolder:
    """The paths of one run. Creating the object touches nothing on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.environment = path / "environment.json"
        self.ledger = path / "ledger.parquet"
        self.parts = path / "parts.json"
        self.real = path / "real"
        self.model = path / "model"
        self.samples = path / "samples"
        self.rejected = path / "rejected"
        self.journal = path / "journal.jsonl"
        self.data = path / "data"
        self.manifest = path / "manifest.parquet"
        self.report = path / "report"

    def check_usable(self) -> None:
        """WriterError when the path is a file, or a folder that holds something else than a run."""
        if self.path.exists() and not self.path.is_dir():
            raise WriterError(f"{self.path} is a file; name a folder for the run with --out")
        if self.recipe.exists() or not self.path.is_dir():
            return
        foreign = sorted(p.name for p in self.path.iterdir() if p.name not in BEFORE_RECIPE and not is_temporary(p))
        if foreign:
            raise WriterError(
                f"{self.path} holds files that are not a run's, such as {foreign[0]}; name a new or empty folder"
            )

    def sweep(self) -> None:
        """Remove the temporary files of a process that was killed."""
        for path in self.path.rglob(".*.part"):
            if is_temporary(path) and path.is_file():
                path.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out; the system frees the lock of a process that dies, however it dies."""
        lock = self.path / "run.lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = _open_lock(lock)
        except OSError as problem:
            raise WriterError(f"{self.path} cannot be used: {explain(problem, lock)}") from problem
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _open_lock(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise WriterError(
                f"process {owner} works in {path.parent}; wait for it to end or name another folder with --out"
            ) from None
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        # The last owner removed the file between our open and our lock: what we hold guards nothing.
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether the file is one that `synth.io.atomic.replacing` had not finished."""
    return bool(_TEMPORARY.match(path.name))


def write_whole(path: Path, content: bytes) -> None:
    """Write the bytes under a temporary name, reach the disk, then rename."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has no hard links."""
    with replacing(target) as temporary:
        try:
            temporary.hardlink_to(source)
        except OSError:
            temporary.write_bytes(source.read_bytes())


def png_bytes(array: np.ndarray, even: bool = False) -> bytes:
    """uint8 (H, W, 3), or bool (H, W) as 0 and 255, as a PNG; the same array gives the same bytes. `even`: the image
    is made of large even areas; masks are."""
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    # Photographs get as small as by zlib's full search, in a quarter of its time.
    runs = even or array.dtype == np.bool_
    strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if runs else cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY
    done, content = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_STRATEGY, strategy])
    if not done:
        raise WriterError(f"an array of {pixels.dtype} {pixels.shape} cannot be written as a PNG")
    return content.tobytes()


def read_png(path: Path) -> np.ndarray:
    """What `png_bytes` wrote: uint8 (H, W, 3), or bool (H, W) for a grey file."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels > 127 if pixels.ndim == 2 else pixels
