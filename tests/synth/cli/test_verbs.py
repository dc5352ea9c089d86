"""All verbs alike: help by either name, completion in every shell, and nothing heavy loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from synth.cli.main import app


def verbs(command, path=()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    return [path, *(found for name, sub in below.items() for found in verbs(sub, (*path, name)))]


VERBS = verbs(typer.main.get_command(app))
COMPLETE = """
import os, sys
from synth.cli.main import app
for words, number, wanted in {cases!r}:
    os.environ.update(_FLAWSMITH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(number))
    try:
        app([], prog_name="flawsmith")
    except SystemExit:
        print("|")
print([name for name in ("torch", "numpy", "diffusers", "PIL", "scipy", "datasets") if name in sys.modules])
"""


def test_the_sweep_sees_groups_and_their_verbs():
    assert {("run",), ("recipe", "init"), ("recipe", "list"), ("eval", "detectors")} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_answers_to_both_of_its_names(verb):
    short, long = (CliRunner().invoke(app, [*verb, asked], prog_name="flawsmith") for asked in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.stdout.startswith(f"Usage: {' '.join(('flawsmith', *verb))}")
    assert short.stdout == long.stdout


def test_words_complete_to_verbs_options_and_recipes_without_loading_anything_heavy():
    cases = [
        ("flawsmith rec", 1, ["recipe"]),
        ("flawsmith eval de", 2, ["detectors"]),
        ("flawsmith recipe l", 2, ["list"]),
        ("flawsmith run --tr", 2, ["--tracker"]),
    ]
    done = subprocess.run([sys.executable, "-c", COMPLETE.format(cases=cases)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *answers, loaded = done.stdout.split("|\n")
    assert loaded.strip() == "[]"
    assert [set(answer.split()) for answer in answers] == [set(wanted) for _, _, wanted in cases]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_for_completion(shell, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = CliRunner().invoke(app, ["--show-completion", shell], prog_name="flawsmith")
    assert done.exit_code == 0
    assert "_FLAWSMITH_COMPLETE" in done.stdout
