import html
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from scipy import ndimage

from synth import generators
from synth.io import thumbnails
from synth.pipeline.page import gallery
from synth.pipeline.runs import show
from tests.synth.blobs import BLOBS, run_blobs, write_source

SCRIPTS = re.compile(r'<script type="application/json">(.*?)</script>')
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--virtual-time-budget=3000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        folder = tmp_path_factory.mktemp("gallery")
        # A name that would break out of markup, were it not escaped.
        source = write_source(folder / "source")
        (source / "stain").rename(source / "a<b>&'c'")
        (source / "ground_truth" / "stain").rename(source / "ground_truth" / "a<b>&'c'")
        return run_blobs(source, folder / "out")


@pytest.fixture(scope="module")
def page(finished):
    return (finished.folder.report / "index.html").read_text()


def browse(finished, tmp_path, state=""):
    """The page's body as the browser has it after its script ran."""
    address = f"file://{finished.folder.report / 'index.html'}#{state}"
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path}", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def cards(dom):
    """Attributes of every card: (status, reason, hidden)."""
    tags = re.findall(r'<article class="card[^>]*>', dom)
    one = r'data-status="(\w+)" data-mark="\w*" data-reason="(\w*)"'
    return [(*re.search(one, tag).groups(), "hidden" in tag) for tag in tags]


def test_the_page_needs_nothing_but_itself(page):
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]', page)
    assert "://" not in page


def test_names_are_escaped(page):
    assert "a&lt;b&gt;&amp;&#39;c&#39;" in page
    assert "<b>&'c'" not in page


def test_every_accepted_sample_and_every_shot_is_on_the_page(page, finished):
    for record in finished.manifest:
        assert f'data-id="{escape(record.id)}"' in page
    status = [status for status, _, _ in cards(page)]
    assert status.count("accepted") == 12
    assert status.count("shot") == 4
    assert status.count("rejected") == sum(sum(result.reasons.values()) for result in finished.yields)


def test_show_builds_the_same_page_again(page, finished):
    assert show(finished.path).read_text() == page


def test_too_many_cards_are_left_out_evenly_and_the_page_says_so(finished, monkeypatch):
    monkeypatch.setattr(gallery, "MOST_CARDS", 8)
    page = show(finished.path).read_text()
    monkeypatch.undo()
    show(finished.path)
    assert [status for status, _, _ in cards(page)].count("accepted") == 8
    assert "more are not shown here" in page


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_a_browser_shows_accepted_samples_first_and_counts_them(finished, tmp_path):
    dom = browse(finished, tmp_path)
    assert 'data-shown="12"' in dom
    assert "12 samples" in dom
    assert all(hidden == (status == "rejected") for status, _, hidden in cards(dom))


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_a_browser_filters_by_type_status_and_reason(finished, tmp_path):
    dom = browse(finished, tmp_path, "defect=crack&status=rejected&reason=blank_mask&mask=tint")
    assert 'data-mask="tint"' in dom
    assert 'data-shown="3"' in dom
    shown = [(status, reason) for status, reason, hidden in cards(dom) if not hidden]
    assert shown == [("shot", "")] * 2 + [("rejected", "blank_mask")] * 3


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_a_browser_opens_a_sample_large_with_its_full_size_files(finished, tmp_path):
    record = finished.manifest[-1]
    dom = browse(finished, tmp_path, f"open={record.id}")
    assert re.search(r"<dialog[^>]* open", dom)
    assert f'href="../{record.files["image"].path}"' in dom
    assert str(record.generated.seed) in dom
    assert "agreement" in dom.split("<dialog")[1]


def test_thumbnail_boxes_hold_the_whole_mask_and_lie_in_the_image():
    rng = np.random.default_rng(4)
    for _ in range(50):
        mask = np.zeros((37, 153), bool)
        top, left = rng.integers(36), rng.integers(152)
        mask[top : top + 1 + rng.integers(30), left : left + 1 + rng.integers(90)] = True
        box = thumbnails.close_up(mask)
        cut = mask[box.top : box.top + box.height, box.left : box.left + box.width]
        assert cut.shape == (box.height, box.width)
        assert cut.sum() == mask.sum()


def filled(path, height, width):
    """The mask that an outline of horizontal and vertical steps encloses: a pixel is in it where an odd number of
    horizontal edges lie above."""
    mask = np.zeros((height, width), bool)
    for ring in re.findall("M[^z]*z", path):
        x, y = map(int, re.match(r"M(\d+) (\d+)", ring).groups())
        for way, by in re.findall(r"([hv])(-?\d+)", ring):
            if way == "h":
                left, x = sorted((x, x + int(by)))[0], x + int(by)
                mask[y:, left : left + abs(int(by))] ^= True
            else:
                y += int(by)
    return mask


@pytest.mark.parametrize(("height", "width"), [(37, 53), (1, 1), (1, 9), (700, 1100)])
def test_an_outline_encloses_exactly_the_mask_at_any_size(height, width):
    rng = np.random.default_rng(height)
    blobs = ndimage.gaussian_filter(rng.random((height, width)), 0.02 * min(height, width)) > 0.5
    for mask in (blobs, blobs & (rng.random((height, width)) < 0.99), np.zeros_like(blobs), np.ones_like(blobs)):
        assert np.array_equal(filled(thumbnails.outline(mask), height, width), mask)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page of names that would steer what shows them, from folders whose names are hard to write in HTML and JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        name = "Größe & 'Maß' a long name with spaces where a writer of YAML would begin another line of the text"
        folder = tmp_path_factory.mktemp("shared") / name
        source = write_source(folder / "source")
        (source / "stain").rename(source / "x\x1b[31m\u202ey")
        (source / "ground_truth" / "stain").rename(source / "ground_truth" / "x\x1b[31m\u202ey")
        return run_blobs(source, folder / "out"), folder


def test_the_page_names_no_place_of_the_machine(hostile):
    finished, folder = hostile
    page = html.unescape((finished.folder.report / "index.html").read_text())
    texts = [page, *(json.dumps(json.loads(part), ensure_ascii=False) for part in SCRIPTS.findall(page))]
    for text in texts:
        assert str(folder) not in text
        assert folder.name not in text
        assert str(folder.parent) not in text
        assert not re.search(rf"[\s\"'/]{re.escape(socket.gethostname())}[\s\"'/]", text)
        assert not re.search(rf"{re.escape(str(Path.home()))}/", re.sub(r"data:[^\"]*", "", text))
    assert "root: source" in page
    assert any('"file": "source/' in text for text in texts)


def test_the_page_shows_what_does_not_print_as_escapes(hostile):
    page = (hostile[0].folder.report / "index.html").read_text()
    assert not [character for character in "\x1b\u202e" if character in page]
    assert r"x\x1b[31m\u202ey" in page
    details = [json.loads(html.unescape(part)) for part in SCRIPTS.findall(page)]
    assert any(r"\u202e" in detail["id"] for detail in details)
    assert all(str(text).isprintable() for detail in details for text in (detail["id"], *detail["detail"].values()))


def test_the_run_itself_keeps_where_its_source_is(hostile):
    finished, folder = hostile
    assert finished.recipe.source.root == folder / "source"
