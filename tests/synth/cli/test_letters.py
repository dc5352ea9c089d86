"""Terminals that know few letters: ASCII, Windows' code pages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

ENCODINGS = ["ascii", "cp1252", "cp437", "latin-1", "utf-8"]
PRINT = """
from synth.cli.terminal import Bars, put, say
say("Gr\\u00f6\\u00dfe \\u90e8\\u54c1 d\\udcff")
put("Gr\\u00f6\\u00dfe \\u90e8\\u54c1\\n")
with Bars() as bars:
    bars("\\u90e8\\u54c1", 1, 2)
    bars("\\u90e8\\u54c1", 2, 2)
say("still here", error=True)
"""
TERMINAL = PRINT.replace("Bars() as bars", "_terminal() as bars").replace(
    "\nsay(",
    "\nfrom synth.cli import terminal\nterminal._Unfailing.isatty = lambda self: True\n_terminal = Bars\nsay(",
    1,
)


def python(encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("code", [PRINT, TERMINAL], ids=["piped", "on a terminal"])
def test_letters_that_a_stream_has_not_are_escapes_and_nothing_after_them_is_lost(encoding, code):
    done = python(encoding, "-c", code)
    assert done.returncode == 0, done.stderr
    known = "Größe 部品".encode(encoding, "backslashreplace")
    assert done.stdout.splitlines() == [known + rb" d\udcff", known]
    assert "部品".encode(encoding, "backslashreplace") in done.stderr
    assert done.stderr.splitlines()[-1].endswith(b"still here")


def test_a_recipe_that_is_shown_is_the_same_recipe_in_any_letters(tmp_path):
    (tmp_path / "größe").mkdir()
    setting = f"source={{kind: folder, root: {tmp_path / 'größe'}, product: 部品}}"
    shown = [
        python(encoding, "-m", "synth.cli", "recipe", "show", "demo", "--set", setting)
        for encoding in ("ascii", "utf-8")
    ]
    assert [done.returncode for done in shown] == [0, 0]
    plain, full = (yaml.safe_load(done.stdout.decode("utf-8")) for done in shown)
    assert shown[0].stdout.isascii()
    assert plain == full
    assert plain["source"]["product"] == "部品"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_errors_and_help_are_written(encoding):
    done = python(encoding, "-m", "synth.cli", "inspect", "no/größe/部品")
    assert done.returncode == 2
    assert b"does not exist" in done.stdout
    assert python(encoding, "-m", "synth.cli", "run", "--help").returncode == 0
