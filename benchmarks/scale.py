"""How fast is a run by the number of its workers, what does a shard cost beside its samples, and what a commit?

python benchmarks/scale.py RECIPE [--set A.B=VALUE ...] --work DIR     samples/s with 1 and 2 processes and with Ray
python benchmarks/scale.py --commits 100000 --work DIR                 the committer alone, with simulated candidates
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import time
from pathlib import Path

from synth.io.encoded import Encoded
from synth.pipeline.commit import Committer
from synth.pipeline.executors import ExecutorName
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal
from synth.pipeline.manifest import manifest_bytes
from synth.pipeline.runs import Run, run
from synth.pipeline.shards import Candidate, Stream
from synth.pipeline.stored import StoredSample
from synth.recipe import load_recipe
from synth.sample import Origin, Provenance

SHARD = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--commits", type=int, default=0, help="candidates to simulate")
    args = parser.parse_args()
    if args.commits:
        commits(args.commits, args.work)
    if args.recipe:
        workers(args.recipe, args.set, args.work)


def workers(name: str, overrides: list[str], work: Path) -> None:
    """The same recipe by each executor; the model is fitted first, and its folder is given to all."""
    first = None
    kinds: list[tuple[ExecutorName, int]] = [("local", 1), ("local", 2), ("ray", 2)]
    for kind, count in kinds:
        out = work / f"{kind}{count}"
        shutil.rmtree(out, ignore_errors=True)
        started, drawing = time.perf_counter(), Clock()
        made = run(load_recipe(name, overrides), out, drawing, count, kind)
        total = time.perf_counter() - started
        rate = sum(result.attempts for result in made.yields) / drawing.seconds
        first = first or rate
        equal = made.manifest == Run(work / "local1").manifest
        print(
            f"{kind} {count}: {rate:.2f} candidates/s while drawing ({rate / first:.2f} x), {total:.1f} s in all, "
            f"manifest {'equal' if equal else 'DIFFERS'}",
            flush=True,
        )


class Clock:
    """A progress that measures how long the drawing took."""

    def __init__(self) -> None:
        self._first = self._last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage.startswith("drawing"):
            self._first = self._first or time.perf_counter()
            self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._last - self._first


def commits(count: int, work: Path) -> None:
    """Half of the candidates are rejected; every 20th is accepted with two small files, the others are surplus to a
    quota that is met, so that what is measured is not the size of images."""
    folder = RunFolder(work / "commits")
    shutil.rmtree(folder.path, ignore_errors=True)
    journal = Journal(folder.journal)
    committer = Committer(folder, journal)
    content = {"image": Encoded(".png", b"i" * 40_000), "mask": Encoded("_mask.png", b"m" * 500)}
    memory = []
    started = time.perf_counter()
    kinds = [f"type{number}" for number in range(10)]
    for defect in kinds:
        stream = Stream("part", defect, count // 10 // 20, count // 10, SHARD, 0)
        for number in range(count // 10 // SHARD):
            candidates = [_candidate(defect, number * SHARD + k, content) for k in range(SHARD)]
            committer.commit(stream, candidates)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    seconds = time.perf_counter() - started
    size = len(manifest_bytes((one for one in journal.samples() if one.role == "accepted"), []))
    print(
        f"{count} candidates: {1e3 * seconds / count:.3f} ms each, {1e3 * seconds * SHARD / count:.2f} ms a shard of "
        f"{SHARD}; manifest {size / 1e6:.1f} MB; memory at most {memory[0]:.0f} MiB after a tenth, "
        f"{memory[-1]:.0f} MiB at the end"
    )
    started = time.perf_counter()
    Journal(folder.journal)
    print(f"opening the journal again: {time.perf_counter() - started:.2f} s")


def _candidate(defect: str, index: int, content: dict[str, Encoded]) -> Candidate:
    name = f"part-{defect}-{index:05d}"
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
    provenance = Provenance(
        "simulated", seed, index, Origin("good", "0" * 64, "good.png"), (1, 2, 64), {"confidence": 0.9}
    )
    scores = {"area": 0.0123, "contrast": 41.5, "agreement": 0.98, "covered": 0.91, "tight": 0.8, "unchanged": 0.0}
    reason = "invisible" if index % 2 else None
    role = "rejected" if reason else "accepted"
    sample = StoredSample(name, role, "part", defect, provenance=provenance, reason=reason, scores=scores)  # type: ignore[arg-type]
    return Candidate(sample, content)


if __name__ == "__main__":
    main()
