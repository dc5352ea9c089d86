"""The site that `make docs` builds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flawsmith

ROOT = Path(__file__).parent.parent
FETCHED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), "warnings"
    return folder


def test_no_page_fetches_anything_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    fetched = {page.name: found for page in pages if (found := FETCHED.findall(page.read_text(encoding="utf-8")))}
    assert not fetched


def test_every_page_of_the_folder_is_in_the_navigation(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in home or page.stem == "index", page.name


def test_the_reference_of_recipes_has_every_value_of_the_schema(site):
    from synth.recipe import Recipe, bundled_recipes

    page = (site / "recipes.html").read_text(encoding="utf-8")
    for name, model in Recipe.model_json_schema()["$defs"].items():
        for key in model["properties"]:
            assert re.search(rf"<code>(\w+\.)*{key}</code>", page), f"{name}.{key}"
    for recipe in bundled_recipes():
        assert f'id="{recipe}"' in page


def test_the_python_reference_has_every_public_name(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in flawsmith.__all__:
        if name not in ("__version__", "dual", "eval"):
            assert f'id="flawsmith.{name}"' in page, name


def test_a_link_to_a_file_of_the_repository_leads_to_a_page_that_shows_it(site):
    assert "source/examples/train_segmenter.py.html" in (site / "first_dataset.html").read_text(encoding="utf-8")
    assert "SegformerConfig" in (site / "source/examples/train_segmenter.py.html").read_text(encoding="utf-8")
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]  # which a server shows, at any place
    for page in pages:
        for link in re.findall(r'<a [^>]*href="([^"#:]+)', page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(site)}: {link}"
