"""What reaches the terminal: no name steers it, and no stream that is gone or full ends the work."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner

from synth.cli import terminal
from synth.cli.main import app
from synth.errors import FlawsmithError, SourceError
from synth.pipeline import runs
from synth.pipeline.journal import Yield

NAMES = [
    "a\nerror: forged",
    "\x1b]0;title\x07\x1b[2J",
    "\x9b31m\x85x",
    "txt\u202egnp",
    "b\r\x08c",
    "[/b] [red]x",
    "d\udcff",
]
FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="no /dev/full here")  # noqa: PTH110
SHORT_RUN = """
import sys
from synth.cli.main import app
from synth.pipeline import runs
from types import SimpleNamespace
from pathlib import Path
def made(recipe, out, progress, *_):
    for done in range(4):
        progress("drawing", done, 3)
    Path(out).write_text("finished")
    return SimpleNamespace(path=out, folder=SimpleNamespace(report=out), manifest=[], yields=[], shortfalls=[],
    inferred=[], validation={})
runs.run = made
app(sys.argv[1:], prog_name="flawsmith")
"""


def flawsmith(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def check_safe(text: str, lines: int | None = None) -> None:
    assert [part for part in text.split("\n") if not part.isprintable()] == []
    if lines is not None:
        assert len(text.splitlines()) == lines


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_one_line_whatever_they_name(name, monkeypatch):
    def fail(*_):
        raise SourceError(f"tiles/{name}.png has no mask; add one")

    monkeypatch.setattr(runs, "run", fail)
    done = flawsmith("run", "demo")
    assert done.exit_code == 2
    check_safe(done.stderr, lines=1)
    monkeypatch.setattr(runs, "run", lambda *_: 1 / 0 if name == "" else (_ for _ in ()).throw(ValueError(name)))
    done = flawsmith("run", "demo")
    assert done.exit_code == 1
    check_safe(done.stderr, lines=1)


@pytest.mark.parametrize("name", NAMES)
def test_summaries_and_stages_keep_their_lines_whatever_they_name(name, monkeypatch, tmp_path):
    def made(recipe, out, progress, *_):
        progress(f"drawing {name}", 2, 2)
        return SimpleNamespace(
            path=tmp_path / name.replace("/", ""),
            folder=SimpleNamespace(report=tmp_path),
            manifest=[],
            yields=[Yield(name, name, 5, 1, {name: 2})],
            shortfalls=[f"{name}: 0 of 3"],
            inferred=[f"{name}: turned"],
            validation={},
        )

    monkeypatch.setattr(runs, "run", made)
    done = flawsmith("run", "demo")
    assert done.exit_code == 0
    check_safe(done.stdout, lines=5)
    check_safe(done.stderr, lines=1)
    assert json.loads(flawsmith("run", "demo", "--json").stdout)["yields"][0]["product"] == name


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name])
def test_inspect_and_a_dry_run_are_safe_for_folders_of_any_name(name, tmp_path):
    root = tmp_path / name
    for number, part in enumerate(
        ("good/a.png", "good/b.png", f"{name}/c.png", f"{name}/d.png", f"masks/{name}/c.png")
    ):
        file = root / part
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.radial_gradient("L").resize((53 + number, 37)).point(lambda v, n=number: (v * (n + 2)) % 256).save(file)
    for verb in (
        ["inspect", root],
        ["inspect", tmp_path],
        ["run", "mvtec_ad", "--dry-run", "--set", f"source.root={root}"],
    ):
        done = flawsmith(*verb)
        check_safe(done.stdout)
        check_safe(done.stderr)
        assert "\nerror: forged" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_what_was_typed_is_repeated_safely(name):
    for arguments in ([name], ["run", "demo", f"--{name}"], ["run", name], ["run", "demo", "--set", f"{name}=1"]):
        done = flawsmith(*arguments)
        assert done.exit_code == 2
        check_safe(done.stderr)
        assert "\nerror: forged" not in done.stderr


def test_a_traceback_is_safe_and_keeps_the_exit_code(monkeypatch):
    def fail(*_):
        raise SourceError("a\x1b[31m")

    monkeypatch.setattr(runs, "run", fail)
    done = flawsmith("run", "demo", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    check_safe(done.stderr)


def test_an_error_of_several_lines_has_an_argument_for_each():
    assert FlawsmithError("a", "b").lines() == ["a", "b"]
    assert str(FlawsmithError("a", "b")) == "a\nb"
    assert FlawsmithError("a\nb").lines() == ["a\nb"]


def test_a_stream_that_knows_few_letters_gets_escapes(monkeypatch):
    done = subprocess.run(
        [sys.executable, "-c", "from synth.cli.terminal import say\nsay('Größe 部品')"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert done.stdout == rb"Gr\xf6\xdfe \u90e8\u54c1" + b"\n"


def start(tmp_path, *arguments, **streams):
    command = [sys.executable, "-c", SHORT_RUN, "run", "demo", "--out", tmp_path / "out", *arguments]
    return subprocess.Popen(command, **streams)


@needs_full
def test_progress_and_errors_that_cannot_be_written_change_nothing(tmp_path):
    with open(FULL, "w") as full:  # noqa: PTH123
        process = start(tmp_path, "--json", stderr=full, stdout=subprocess.PIPE)
        assert json.loads(process.communicate()[0])["accepted"] == 0
        assert process.returncode == 0
        assert (tmp_path / "out").exists()
        wrong = [sys.executable, "-m", "synth.cli"]
        for arguments in (["run", "no_such"], ["no_such_verb"]):
            assert subprocess.run([*wrong, *arguments], stderr=full).returncode == 2


@needs_full
@pytest.mark.parametrize("arguments", [["recipe", "schema"], ["--help"]])
def test_a_full_disk_behind_stdout_is_reported_in_a_sentence(arguments):
    with open(FULL, "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "synth.cli", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("the disk is full; free some space")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (["recipe", "schema"], ["recipe", "show", "demo"], ["--help"]):
        done = subprocess.run([sys.executable, "-m", "synth.cli", *arguments], stdout=writing, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(writing)


def test_without_any_stream_a_run_is_made(tmp_path):
    command = f"exec {sys.executable} -c '{SHORT_RUN}' run demo --out {tmp_path / 'out'} >&- 2>&-"
    assert subprocess.run(["bash", "-c", command.replace("'", "'", 1)]).returncode == 0
    assert (tmp_path / "out").read_text() == "finished"


def test_a_terminal_that_goes_away_does_not_end_a_run(tmp_path):
    ours, theirs = pty.openpty()
    code = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nimport os, time\n" + SHORT_RUN.replace(
        "for done in range(4):", "while os.read(0, 1):"
    ).replace('progress("drawing", done, 3)', 'progress("drawing", 1, 3)')
    command = [sys.executable, "-c", code, "run", "demo", "--out", tmp_path / "out"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=theirs, stdout=subprocess.DEVNULL, start_new_session=True
    )
    os.close(theirs)
    process.stdin.write(b"1")
    process.stdin.flush()
    seen = b""
    while b"drawing" not in seen:
        seen += os.read(ours, 1000)
    os.close(ours)
    process.stdin.write(b"2345")
    process.stdin.close()
    assert process.wait(60) == 0
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_on_a_terminal_takes_any_name(name, monkeypatch, tmp_path):
    ours, theirs = pty.openpty()
    code = (
        f"from synth.cli.terminal import Bars\nwith Bars() as bars:\n    bars({name!r}, 1, 2)\n    bars({name!r}, 2, 2)"
    )
    done = subprocess.Popen([sys.executable, "-c", code], stderr=theirs)
    assert done.wait(60) == 0
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    # What rich itself writes: colours, the cursor, the title of nothing.
    left = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert not re.search(r"[\x07\x9b\x85\u202e]|\x1b", left)
    assert "\nerror: forged" not in left
    assert terminal.printable(name)[:4] in left


TROUBLES = {
    "memory": (MemoryError(), "the memory ran out; close other programs"),
    "array": (type("_ArrayMemoryError", (MemoryError,), {})("9 TiB"), "the memory ran out; close other programs"),
    "system memory": (OSError(errno.ENOMEM, "Cannot allocate memory"), "the memory ran out; close other programs"),
    "device memory": (
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA"),
        "the memory ran out; close other programs",
    ),
    "torch": (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "the memory ran out; close other programs"),
    "full": (OSError(errno.ENOSPC, "No space left on device", "a/b.png"), "a/b.png: the disk is full ("),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded", "c"), "c: your share of the disk is used up ("),
    "device": (OSError(errno.EIO, "Input/output error", "b.png"), "b.png: the disk or device failed to read or write"),
    "files": (OSError(errno.EMFILE, "Too many open files"), "too many files are open; allow more with: ulimit"),
    "rights": (PermissionError(errno.EACCES, "Permission denied", "c"), "c: no permission; change the rights"),
    "depth": (RecursionError("maximum recursion depth"), "the input is nested too deeply to be read"),
    "library": (ImportError("libgomp.so.1: cannot open"), "libgomp.so.1: cannot open; flawsmith doctor shows"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_what_nobody_expected_is_a_sentence_with_a_remedy(case, monkeypatch):
    error, words = TROUBLES[case]

    def fail(*_):
        raise error

    monkeypatch.setattr(runs, "run", fail)
    done = flawsmith("run", "demo")
    assert done.exit_code == 1
    assert done.stderr.startswith(words)
    assert len(done.stderr.splitlines()) == 1
