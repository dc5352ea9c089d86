"""The wheel that is built from this tree: what is in it, and that its command works away from the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import tomllib

import flawsmith

ROOT = Path(__file__).parent.parent
PACKAGES = ("flawsmith", "synth", "eval")
SMALL = ["source.products=[flange]", "source.good_images=3", "source.shots_per_defect=2", "source.size=128"]
SMALL += ["request.per_defect=1", "request.defects=[rust]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with what the wheel holds, as pip unpacks it."""
    builder = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    wheel = next(builder.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def command(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of the wheel in an empty folder; -S -E would hide its dependencies, so the path alone is changed."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    line = [sys.executable, "-P", "-m", "flawsmith", *arguments]
    return subprocess.run(line, cwd=place, env=env, capture_output=True, text=True, check=False)


def test_every_file_of_the_packages_is_in_the_wheel(installed):
    def held(root: Path) -> set[str]:
        files = (file for package in PACKAGES for file in (root / package).rglob("*") if file.is_file())
        return {str(file.relative_to(root)) for file in files if "__pycache__" not in file.parts}

    recipes = {f"synth/recipes/{file.name}" for file in (ROOT / "recipes").glob("*.yaml")}
    assert held(installed) == held(ROOT) | recipes
    assert {f"{package}/py.typed" for package in PACKAGES} <= held(installed)
    assert any(file.endswith(".j2") for file in held(installed))


def test_the_page_of_the_wheel_names_what_pyproject_names_and_has_no_dead_picture_or_link(installed):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = Parser().parsestr(next(installed.glob("*.dist-info/METADATA")).read_text(encoding="utf-8"))
    assert page["Version"] == project["version"]
    assert page["Author"] == "flawsmith maintainers"
    text = page.get_payload()
    assert text.startswith("# flawsmith")
    assert "## Two commands" in text
    assert "](docs/" not in text
    assert "](examples" not in text
    assert "![" not in text or "Source" in project.get("urls", {})


def test_with_an_address_pictures_and_links_lead_there(monkeypatch):
    pytest.importorskip("hatchling")
    monkeypatch.syspath_prepend(str(ROOT))
    from hatch_build import packaged

    text = "![two parts](docs/a.jpg)\n\n*Caption,\nof two lines.*\n\n"
    text += "[page](docs/b.md), [far](https://example.org), [below](#c)\n"
    there = packaged(text, "https://example.org/r/")
    assert "![two parts](https://example.org/r/raw/HEAD/docs/a.jpg)" in there
    assert "[page](https://example.org/r/blob/HEAD/docs/b.md)" in there
    assert packaged(text, None) == "page, [far](https://example.org), [below](#c)\n"


def test_the_wheel_exports_a_run_and_writes_its_card(installed, tmp_path):
    recipe = flawsmith.load_recipe("demo_pasted", SMALL)
    run = flawsmith.run(recipe, tmp_path / "a")
    for arguments in (("export", str(run.path), "--format", "coco"), ("card", str(run.path))):
        done = command(installed, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert any((tmp_path / "a-coco").rglob("*.json"))
    assert "## Load it" in (tmp_path / "a-hub" / "README.md").read_text(encoding="utf-8")


def test_the_command_of_the_wheel_starts_and_knows_its_recipes(installed, tmp_path):
    done = command(installed, tmp_path, "demo", "--help")
    assert done.returncode == 0, done.stderr
    done = command(installed, tmp_path, "recipe", "validate", "demo_pasted")
    assert done.stdout.startswith("demo_pasted: good"), done.stderr
    assert not any(tmp_path.iterdir())
