"""What the review server answers, and what it refuses."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from synth.io.png import png_bytes
from synth.pipeline.decisions import DecisionLog
from synth.pipeline.preparation import silent
from synth.review import masks, server
from synth.review.desk import open_desk
from synth.review.server import serving
from tests.synth.blobs import SIZE, tree


@pytest.fixture(scope="module")
def untouched(made):
    """The session's run, served; nothing that is asked of it here may change it."""
    with open_desk(made.path, silent) as desk, serving(desk, 0, list) as running:
        yield made, desk, running
        assert not made.folder.decision_log.exists()


@pytest.fixture
def served(finished):
    with open_desk(finished.path, silent) as desk, serving(desk, 0, list) as running:
        yield finished, desk, running


def ask(running, place, method="GET", body=None, token=None, **headers):
    """The status and the body of an answer."""
    address = f"http://127.0.0.1:{running.server_port}/{running.token if token is None else token}/{place}"
    asked = urllib.request.Request(
        address, body, {name.title(): value for name, value in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_the_page_and_the_files_of_the_samples_are_served_as_they_are(untouched):
    finished, _, running = untouched
    first = finished.manifest[0]
    for name in ("report/index.html", first.files["image"].path, first.files["mask"].path):
        assert ask(running, name) == (200, (finished.path / name).read_bytes())


@pytest.mark.parametrize(
    ("what", "asked"),
    {
        "no token": {"token": ""},
        "another token": {"token": "x" * 32},
        "a token that is no ASCII": {"token": "%C3%A9"},
        "another host": {"host": "evil.example"},
        "another host's port": {"host": "127.0.0.1:1"},
        "another origin": {"origin": "http://evil.example"},
        "a file's origin": {"origin": "null"},
    }.items(),
)
def test_who_is_not_the_page_is_refused_whatever_is_asked(what, asked, untouched):
    finished, _, running = untouched
    mark = json.dumps({"id": finished.manifest[0].id, "mark": "rejected"}).encode()
    for place, method, body in (
        ("report/index.html", "GET", None),
        ("api/decisions", "GET", None),
        ("api/marks", "POST", mark),
        (f"api/masks/{finished.manifest[0].id}", "DELETE", None),
    ):
        assert ask(running, place, method, body, **asked)[0] == 403
    assert not finished.folder.decision_log.exists()


@pytest.mark.parametrize(
    "place",
    [
        *("recipe.yaml", "journal.jsonl", "report/../recipe.yaml", "../out/recipe.yaml", "..%2frecipe.yaml", "samples"),
        *("%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "data/tile/train/good", "", "real/index.json", "manifest.parquet"),
    ],
)
def test_nothing_but_the_samples_files_is_served(place, untouched):
    assert ask(untouched[2], place)[0] in (403, 404)


def test_answers_may_not_be_framed_kept_or_told_to_others(untouched):
    _, _, running = untouched
    with urllib.request.urlopen(running.address, timeout=30) as answer:
        assert {"no-store", "no-referrer", "DENY", "nosniff"} <= set(answer.headers.values())


def masked(value=True, size=SIZE):
    mask = np.zeros(size, bool)
    mask[5:9, 7:20] = value
    return png_bytes(mask)


@pytest.mark.parametrize(
    ("body", "message"),
    {
        b"": "no PNG",
        b"GIF89a": "no PNG",
        masked()[:60]: "no PNG",
        masked(size=(53, 37)): "37 x 53 px, wanted 53 x 37",
        masked(value=False): "the mask is blank",
    }.items(),
)
def test_a_mask_that_is_none_is_refused_with_the_reason(body, message, untouched):
    finished, _, running = untouched
    status, answer = ask(running, f"api/masks/{finished.manifest[0].id}", "PUT", body)
    assert (status, message in json.loads(answer)["error"]) == (400, True)
    assert not finished.folder.decision_log.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    {
        b"": "no decision",
        b"[]": "no decision",
        b"[" * 9000: "no decision",
        b'{"id": "tile-crack-00001", "mark": 7}': "no decision",
        b'{"id": "tile-crack-00001", "mark": "rejected", "more": 1}': "no decision",
        b'{"id": "tile-crack-00001", "mark": "splendid"}': "'splendid' is no decision; there are: accepted, rejected",
        b'{"id": "tile-crak-00001", "mark": "rejected"}': "no accepted sample of this run; did you mean",
        b'{"id": "tile-crack-00000", "mark": "rejected"}': "no accepted sample of this run",
    }.items(),
)
def test_what_is_no_decision_is_refused_with_the_reason(body, message, untouched):
    finished, _, running = untouched
    status, answer = ask(running, "api/marks", "POST", body)
    assert (status, message in json.loads(answer)["error"]) == (400, True)
    assert not finished.folder.decision_log.exists()


def test_a_body_that_is_too_large_or_of_unknown_length_is_not_read(untouched, monkeypatch):
    finished, _, running = untouched
    monkeypatch.setattr(server, "MOST_BYTES", 10)
    assert ask(running, f"api/masks/{finished.manifest[0].id}", "PUT", masked())[0] == 400
    assert ask(running, "api/marks", "POST", b"{}", content_length="-1")[0] == 400
    assert masks.MOST_BYTES > 10


def test_decisions_at_the_same_time_are_all_kept(served):
    finished, desk, running = served
    ids = [record.id for record in finished.manifest]

    def decide(one):
        mark = json.dumps({"id": one, "mark": "rejected"}).encode()
        return ask(running, "api/marks", "POST", mark)[0], ask(running, f"api/masks/{one}", "PUT", masked())[0]

    with ThreadPoolExecutor(8) as many:
        assert set(many.map(decide, ids)) == {(200, 200)}
    assert len(DecisionLog(finished.folder.decision_log).changes) == 2 * len(ids)
    state = json.loads(ask(running, "api/decisions")[1])
    assert set(state["marks"]) == set(state["masks"]) == set(ids)
    assert state["run"] == desk.key


def test_taking_everything_back_leaves_the_run_as_it_was(served):
    finished, desk, running = served
    before, first = tree(finished.path), finished.manifest[0].id
    for mark in ("rejected", "accepted", None):
        assert ask(running, "api/marks", "POST", json.dumps({"id": first, "mark": mark}).encode())[0] == 200
    for method, body in (("PUT", masked()), ("DELETE", None)):
        assert ask(running, f"api/masks/{first}", method, body)[0] == 200
    desk.finish(silent)
    after = tree(finished.path)
    after.pop("run.lock", None)
    before.pop("run.lock", None)
    assert after == before
