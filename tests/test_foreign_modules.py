"""A user's own eval.py, eval/ or synth.py beside the work or on PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parent.parent)
HOSTILE = 'raise SystemExit("a module of the user was run")\n'
CHILD = """
import multiprocessing
import flawsmith.__main__


def files(_):
    import eval, synth

    return eval.__file__, synth.__file__


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*files(0), *pool.map(files, [0])[0], sep="\\n")
"""


def python(place: Path, *arguments: str, path: str = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], cwd=place, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", ["eval.py", "eval/__init__.py", "synth.py", "synth/__init__.py"])
def test_the_command_and_its_workers_import_ours_whatever_the_working_folder_and_pythonpath_hold(file, tmp_path):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(HOSTILE)
    (tmp_path / "work.py").write_text(CHILD)
    done = python(tmp_path, "work.py", path=os.pathsep.join([str(tmp_path), ROOT]))
    ours = [str(Path(ROOT) / name / "__init__.py") for name in ("eval", "synth")]
    assert done.stdout.splitlines() == ours * 2, done.stderr
    done = python(tmp_path, "-m", "flawsmith", "recipe", "validate", "demo")
    assert done.stdout.startswith("demo: good"), done.stderr


def test_the_long_name_of_the_command_is_not_disturbed_either(tmp_path):
    (tmp_path / "eval.py").write_text(HOSTILE)
    done = python(tmp_path, "-m", "synth.cli", "--version", path=os.pathsep.join([str(tmp_path), ROOT]))
    assert done.stdout.startswith("flawsmith "), done.stderr


@pytest.mark.parametrize(("name", "use"), [("synth", "flawsmith.load_recipe"), ("eval", "flawsmith.eval")])
def test_the_public_package_names_the_file_that_hides_one_of_ours(name, use, tmp_path):
    (tmp_path / f"{name}.py").write_text("")
    done = python(tmp_path, "-c", f"import flawsmith\n{use}")
    assert f"ImportError: flawsmith's package {name!r} is hidden by {tmp_path / name}.py; rename" in done.stderr


def test_a_folder_of_such_a_name_without_code_hides_nothing(tmp_path):
    for name in ("eval", "synth"):
        (tmp_path / name).mkdir()
    done = python(tmp_path, "-c", "import flawsmith; flawsmith.eval.metrics, flawsmith.Sample")
    assert done.returncode == 0, done.stderr
