"""A disk that takes no more, whatever library meets it."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from synth.errors import DiskFull, SourceError, WriterError
from synth.io import atomic
from synth.io.atomic import append, is_full, naming_place, replacing, write_whole

RAISED = {
    "the system": OSError(errno.ENOSPC, "No space left on device"),
    "a quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "a limit": OSError(errno.EFBIG, "File too large"),
    "safetensors": RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "pyarrow": OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
}
WRITE = """
import resource, sys, zipfile
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, tifffile, torch
from PIL import Image
from safetensors.torch import save_file
from synth.errors import DiskFull
from synth.io.atomic import replacing
noise = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)
def zipped(path):
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("a", noise.tobytes())
WRITERS = {
    "Pillow": lambda path: Image.fromarray(noise).save(path, format="PNG"),
    "tifffile": lambda path: tifffile.imwrite(path, noise),
    "pyarrow": lambda path: pq.write_table(pa.table({"a": noise.ravel()}), path),
    "safetensors": lambda path: save_file({"a": torch.from_numpy(noise)}, path),
    "torch": lambda path: torch.save(torch.from_numpy(noise), path),
    "zipfile": zipped,
    "numpy": lambda path: noise.tofile(path),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name, write in WRITERS.items():
    place = Path(sys.argv[1]) / name
    try:
        with replacing(place / "a.bin") as temporary:
            write(temporary)
        print(name, "wrote")
    except DiskFull as problem:
        print(name, "ok" if not list(place.iterdir()) and str(problem).count("a.bin cannot be written") else problem)
    except Exception as problem:
        print(name, type(problem), problem)
"""


def fail(error: Exception) -> None:
    raise error


def fail_after(half: Path, error: Exception) -> None:
    half.write_bytes(b"half")
    raise error


@pytest.mark.parametrize("name", RAISED)
def test_a_full_disk_is_one_error_that_names_file_place_and_room(name, tmp_path):
    file = tmp_path / "run" / "a.png"
    for problem in (RAISED[name], ValueError("wrapped")):
        if problem is not RAISED[name]:
            problem.__cause__ = RAISED[name]
        assert is_full(problem)
        with pytest.raises(DiskFull) as raised, replacing(file, 3 * 2**20) as temporary:
            fail_after(temporary, problem)
        message = str(raised.value)
        assert message.startswith(f"{file} cannot be written: ")
        assert f" left at {file.parent}, 3.0 MiB or more needed); " in message
        assert message.endswith("or choose another --out, then run the same command")
        assert list(file.parent.iterdir()) == []
    assert isinstance(raised.value, WriterError)
    assert raised.value.exit_code == pickle.loads(pickle.dumps(raised.value)).exit_code == 1


def test_an_error_without_a_reason_on_a_disk_with_nothing_left_is_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(DiskFull, match="0 bytes left"), replacing(tmp_path / "a"):
        fail(RuntimeError("unexpected pos 64 vs 0"))
    with pytest.raises(SourceError), replacing(tmp_path / "a"):
        fail(SourceError("a.png is broken"))


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / "a"):
        fail(KeyError("a"))
    with pytest.raises(WriterError, match="no permission") as raised, replacing(tmp_path / "a"):
        fail(PermissionError(errno.EACCES, "Permission denied"))
    assert raised.value.exit_code == 2
    with pytest.raises(KeyError), naming_place(tmp_path):
        fail(KeyError("a"))


def test_what_a_library_writes_itself_names_the_folder(tmp_path):
    with pytest.raises(DiskFull, match=f"{tmp_path} cannot be written: the disk is full"), naming_place(tmp_path):
        fail(RAISED["safetensors"])


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE there")
def test_every_library_that_writes_for_us_meets_it_alike_and_leaves_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], capture_output=True, text=True, check=False)
    results = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert len(results) == 7, done.stderr
    assert set(results.values()) == {"ok"}, results


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no /dev/full there")
def test_whole_files_and_journals_raise_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "fsync", lambda _: fail(OSError(errno.ENOSPC, "No space left on device")))
    for write in (lambda: write_whole(tmp_path / "a", b"12345"), lambda: append(tmp_path / "b", b"12345", 0)):
        with pytest.raises(DiskFull, match="5 bytes or more needed"):
            write()
