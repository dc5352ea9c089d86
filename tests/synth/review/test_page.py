"""A person at the page, in a browser: by keys, through a kill, and without a server."""

import re
import select
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from synth.cli.main import app
from synth.io.png import read_png
from synth.io.thumbnails import outline
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run, export
from synth.pipeline.verify import verify
from tests.synth.blobs import run_blobs
from tests.synth.review.browser import BROWSER, browsing

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here")
HERE = Path(__file__).parents[3]
STYLE = HERE / "synth" / "pipeline" / "page" / "templates" / "style.css"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        opened.size(1200, 900)
        yield opened


@contextmanager
def reviewing(path):
    """`flawsmith review` in a process of its own, and the address it says."""
    command = [sys.executable, "-m", "synth.cli", "review", str(path), "--no-browser"]
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    try:
        assert select.select([process.stdout], [], [], 120)[0]
        yield process, process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def tally(page):
    return page.run("document.querySelector('.tally').textContent")


def test_three_rejected_one_mask_edited_a_kill_and_three_made_again(finished, source, page, tmp_path):
    before = {record.id: record for record in finished.manifest}
    first, second, third, fourth = list(before)[:4]
    with reviewing(finished.path) as (process, address):
        page.open(address)
        page.run("document.querySelector('.cards .card').focus()")
        for number, one in enumerate((first, second, third), start=1):
            assert page.run("document.activeElement.dataset.id") == one
            page.key("r")
            page.until(f"document.querySelector('.tally').textContent.startsWith('{number} rejected')")
        page.key("u")
        page.until("document.querySelector('.tally').textContent.startsWith('2 rejected')")
        assert page.run("document.activeElement.dataset.id") == third
        page.key("r")
        page.until("document.querySelector('.tally').textContent.startsWith('3 rejected')")
        assert page.run("document.activeElement.dataset.id") == fourth
        page.key("Enter")
        page.until("document.querySelector('dialog').open")
        for key in ("e", " ", "ArrowRight", "ArrowDown", " ", "Enter"):
            page.key(key)
        page.until("document.querySelector('.tally').textContent.includes('1 mask edited')")
        process.kill()
        process.wait()
        page.key("r")
        page.until("document.querySelector('.told').textContent.startsWith('not kept')")
    with reviewing(finished.path) as (process, address):
        page.open(address)
        assert tally(page).startswith("3 rejected, 1 mask edited")
        assert page.run("document.body.dataset.shown") == "9"
        edited = page.run(f"infoOf(byId.get('{fourth}')).outline")
        page.run("document.querySelector('[data-do=finish]').click()")
        page.until("document.body.dataset.finished")
        assert process.wait(120) == 0
    run = Run(finished.path)
    assert set(before) - {record.id for record in run.manifest} == {first, second, third}
    export(run.path, "mvtec", tmp_path / "exported")
    masks = {path.name: path for path in (tmp_path / "exported").rglob("*_mask.png")}
    assert len(masks) == 9
    assert outline(read_png(masks[f"{fourth}_mask.png"])) == edited
    assert edited != outline(read_png(before[fourth].path(run.path, "mask")))
    again = run_blobs(source, run.path)
    after = {record.id: record for record in again.manifest}
    assert len(after) == 12
    assert len(set(after) - set(before)) == 3
    for one in set(before) - {first, second, third, fourth}:
        assert after[one] == before[one]
        for kind in before[one].files:
            assert after[one].path(again.path, kind).read_bytes() == before[one].path(finished.path, kind).read_bytes()
    assert verify(again.path, silent).whole


def test_the_page_without_a_server_keeps_decisions_and_saves_them_as_a_file(finished, page, tmp_path):
    first, second = (record.id for record in finished.manifest[:2])
    address = f"file://{finished.folder.report / 'index.html'}"
    page.open(address)
    page.run(f"go({{ open: '{first}' }})")
    page.key("r")
    page.until("document.querySelector('.tally').textContent.startsWith('1 rejected')")
    assert page.run("state.open") == second
    for key in ("e", "x", " ", "x", "]", "ArrowLeft", " ", "Enter"):
        page.key(key)
    page.until("document.querySelector('.tally').textContent.includes('1 mask edited')")
    page.open(address)
    assert tally(page).startswith("1 rejected, 1 mask edited")
    edited = page.run(f"infoOf(byId.get('{second}')).outline")
    file = tmp_path / "decisions.json"
    file.write_text(page.run("store.file((id) => infoOf(byId.get(id)).size)"))
    page.run("store.forget()")
    answer = CliRunner().invoke(app, ["review", str(finished.path), "--apply", str(file)])
    assert "11 pairs of image and mask, 0 dropped, 1 rejected, 1 mask edited" in answer.stdout
    record = next(one for one in Run(finished.path).manifest if one.id == second)
    assert outline(record.load(finished.path).mask) == edited


def test_the_browser_outlines_a_mask_as_the_run_does_and_fills_it_again(made, page):
    page.open(f"file://{made.folder.report / 'index.html'}")
    rng = np.random.default_rng(8)
    for density in (0.1, 0.5, 0.97):
        mask = rng.random((23, 31)) < density
        path = outline(mask)
        assert page.run(f"trace(Uint8Array.from({mask.ravel().astype(int).tolist()}), 31, 23)") == path
        assert page.run(f"[...fill('{path}', 31, 23)]") == mask.ravel().astype(int).tolist()


def test_cards_are_sorted_by_any_score_and_filtered_by_decision(made, page):
    page.open(f"file://{made.folder.report / 'index.html'}")
    page.run("go({ sort: '-contrast', defect: 'stain' })")
    shown = page.run("visible().filter(judged).map((card) => infoOf(card).scores.contrast)")
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 6
    page.run("go({ sort: '', mark: 'rejected' })")
    assert page.run("document.body.dataset.shown") == "0"


@pytest.mark.parametrize("width", [400, 900, 1600])
def test_nothing_is_wider_than_the_window(width, made, page):
    page.size(width, 900)
    page.open(f"file://{made.folder.report / 'index.html'}#open={made.manifest[0].id}")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelector('dialog').scrollWidth") <= width
    page.size(1200, 900)


def test_pictures_are_put_in_when_they_come_into_view(made, page):
    page.size(400, 500)
    page.open(f"file://{made.folder.report / 'index.html'}")
    waiting = page.run("document.querySelectorAll('img[data-src]').length")
    assert waiting > 0
    page.run("document.querySelector('.group:last-of-type .card:last-child').scrollIntoView()")
    page.until(f"document.querySelectorAll('img[data-src]').length < {waiting}")
    page.size(1200, 900)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_light_or_dark_as_its_reader_prefers(dark, made, page, tmp_path):
    page.size(900, 600, dark)
    page.open(f"file://{made.folder.report / 'index.html'}")
    page.shot(tmp_path / "seen.png")
    assert (np.median(np.asarray(Image.open(tmp_path / "seen.png").convert("L"))) < 60) == dark
    page.size(1200, 900)


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_contrast_enough_in_light_and_dark(scheme):
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.read_text().split(":root")[1 + scheme]))
    for text in ("ink", "soft", "faint", "bad", "good", "accent"):
        for ground in ("ground", "surface", "sunken") if text in ("ink", "soft", "faint") else ("surface",):
            high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
