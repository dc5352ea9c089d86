"""A run on disk: where each thing lies, and one process at a time.

outputs/<run>/
  recipe.yaml                                 the resolved recipe; comments name versions, device and its own sha256
  environment.json                            the same versions and device, for programs
  ledger.parquet                              every real image and its role
  parts.json                                  where each product is in its images, and how that is known
  inputs.json                                 sha256 of the three above and of every file that the recipe names
  real/good/<product>/ID.png                  the good images that the generator may use
  real/shots/<product>/<defect>/ID.png        the few real defects it learnt from, and ID_mask.png
  real/test/<product>/[<defect>/]ID.png       test images that are copied into exports
  real/index.json                             a record of each
  model/                                      what the generator keeps
  shards/                                     shards that were made ahead (`run --shards`); gone when committed
  samples/<product>/<defect>/ID.png           accepted candidates, and ID_mask.png (255 = defect)
  rejected/<product>/<defect>/ID.webp         a few rejected ones, small, and ID_mask.png
  journal.jsonl                               one line a candidate; append-only
  edited/<product>/<defect>/ID-SHA_mask.png   masks that a person corrected
  decisions.json                              what a person decided of accepted samples, if anything
  decisions.log                               the same, not in the dataset yet: while a review is open, or after a kill
  data/                                       the dataset in the recipe's formats
  digests.json                                sha256 of every file above and of the manifest
  manifest.parquet                            written last: what was accepted, with hashes and scores
  report/index.html                           the gallery
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from synth.errors import DiskFull, RecipeError, RunError, WriterError
from synth.io.atomic import explain, is_full, is_temporary, make_folder, naming_place
from synth.io.names import as_path
from synth.io.own import check_free

LOCK = "run.lock"
BEFORE_RECIPE = {LOCK, "ledger.parquet", "environment.json", "parts.json", "inputs.json"}
"""What a run may have written before its recipe.yaml: anything else in a folder without one is not its own."""


class RunFolder:
    """The paths of one run. Creating the object touches nothing on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.environment = path / "environment.json"
        self.ledger = path / "ledger.parquet"
        self.parts = path / "parts.json"
        self.inputs = path / "inputs.json"
        self.real = path / "real"
        self.model = path / "model"
        self.shards = path / "shards"
        self.samples = path / "samples"
        self.rejected = path / "rejected"
        self.journal = path / "journal.jsonl"
        self.edited = path / "edited"
        self.dropped = path / "dropped.json"  # of versions before 0.8
        self.decisions = path / "decisions.json"
        self.decision_log = path / "decisions.log"
        self.data = path / "data"
        self.digests = path / "digests.json"
        self.manifest = path / "manifest.parquet"
        self.report = path / "report"

    def check_usable(self) -> None:
        """WriterError when the path is a file, or a folder that holds something else than a run; RunError when it holds
        one without its recipe."""
        if self.recipe.exists():
            return
        if self.journal.exists() and self.inputs.exists():
            raise RunError(
                f"{self.path} is a run whose recipe.yaml is gone, so that nothing says what made it; put it back, or "
                "name another folder with --out"
            )
        check_free(self.path, "a run's", BEFORE_RECIPE)

    def sweep(self) -> None:
        """Remove the temporary files of a process that was killed; not those of shards, which others may be making."""
        for path in self.path.rglob(".*.part"):
            if is_temporary(path) and path.is_file() and not path.is_relative_to(self.shards):
                path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Keep other processes out, or wait for them; the system frees the lock of a process that dies, however it
        dies. WriterError where another one works here."""
        path = self.path / LOCK
        lock = FileLock(path, timeout=-1 if wait else 0)
        try:
            make_folder(self.path)
            lock.acquire()
        except Timeout as problem:
            raise WriterError(
                f"another process works in {self.path}; wait for it to end or name another folder with --out"
            ) from problem
        except OSError as problem:
            error = DiskFull if is_full(problem) else WriterError
            raise error(f"{self.path} cannot be used: {explain(problem, path)}") from problem
        try:
            with naming_place(self.path):
                yield
        finally:
            # Still locked: one who waits for this very file finds out that its name is gone, and takes a new one.
            with suppress(OSError):
                path.unlink()
            lock.release()


def run_folder(path: str | Path) -> RunFolder:
    """The folder of a run that was begun; RecipeError where there is none."""
    folder = RunFolder(as_path(path, "a run", RecipeError))
    if not folder.recipe.exists():
        raise RecipeError(f"{path} is not a run: it has no recipe.yaml; name a folder that flawsmith run made")
    return folder
