"""Pushes to a local Hub: what arrives, what is loaded from it, and what happens when it goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.synth.hub.client import ROOT
from tests.synth.hub.local_hub import TOKEN

_LOADED = """
import numpy as np
from datasets import load_dataset
whole = load_dataset(repo)
answer = {"features": str(whole["train"].features), "configs": {}, "rows": {}}
for split, rows in whole.items():
    stream = load_dataset(repo, split=split, streaming=True)
    assert str(stream.features) == answer["features"]
    assert [row["id"] for row in stream] == rows["id"][:]
    answer["rows"][split] = [
        {
            "id": row["id"],
            "defect": rows.features["defect"].int2str(row["defect"]),
            "image": np.asarray(row["image"]).tolist(),
            "mask": (np.asarray(row["mask"]) > 0).tolist(),
            "depth": np.asarray(row["depth"]).tolist() if row.get("depth") else None,
            "points": np.asarray(row["points"].vertices).tolist() if row.get("points") else None,
            "preview": len(row["preview"].geometry) if row.get("preview") else None,
            "seed": row["seed"],
            "scores": row["scores"],
            "kind": row["provenance"]["kind"],
        }
        for row in rows
    ]
"""


def loaded(client, repo):
    return client.run(_LOADED, repo=repo)


def compared(found, run):
    """The rows of a split next to the run's own samples."""
    ours = [record.load(run.path) for record in run.dataset()]
    by_id = {row["id"]: row for rows in found["rows"].values() for row in rows}
    assert by_id.keys() == {sample.id for sample in ours}
    for sample in ours:
        row = by_id[sample.id]
        assert np.array_equal(np.array(row["image"], np.uint8), sample.image)
        assert np.array_equal(np.array(row["mask"], bool), sample.mask)
        assert row["defect"] == (sample.defect or "good")
        made = sample.provenance
        assert row["seed"] == (None if made is None else made.seed)
        assert row["kind"] == ("real" if made is None else "synthetic")
        if made is not None:
            assert {k: v for k, v in row["scores"].items() if v is not None} == pytest.approx(dict(made.scores))
        yield row, sample


def test_a_run_on_images_is_loaded_as_it_was_made(client, hub, images):
    code, said = client.flawsmith("push", images.path, "me/images")
    assert code == 0, said
    assert f"{hub.url}/datasets/me/images" in said
    found = loaded(client, "me/images")
    assert set(found["rows"]) == {"train", "test"}
    assert "Json" in found["features"]
    assert "ClassLabel(names=['good', 'crack', 'stain'])" in found["features"]
    assert len(list(compared(found, images))) == len(images.dataset())
    assert {row["kind"] for row in found["rows"]["test"]} == {"real"}


def test_scans_keep_depth_and_clouds_of_any_size(client, scans):
    code, said = client.flawsmith("push", scans.path, "me/scans", "--private")
    assert code == 0, said
    for row, sample in compared(loaded(client, "me/scans"), scans):
        assert np.allclose(np.array(row["depth"]) * 1e-4, sample.xyz[..., 2], atol=0.51e-4)
    full = client.run(
        "from datasets import load_dataset\n"
        "rows = load_dataset('me/scans', 'full', split='train')\n"
        "answer = {row['id']: [row['xyz'], row['xyz_size']] for row in rows}\n"
        "assert rows['id'][:] == load_dataset('me/scans', split='train')['id'][:]"
    )
    for sample in (record.load(scans.path) for record in scans.dataset()):
        points, size = full[sample.id]
        np.testing.assert_array_equal(np.array(points, np.float32).reshape(*size, 3), sample.xyz)


def test_clouds_come_as_meshes_with_a_preview_and_labels(client, clouds):
    code, said = client.flawsmith("push", clouds.path, "me/clouds")
    assert code == 0, said
    for row, sample in compared(loaded(client, "me/clouds"), clouds):
        np.testing.assert_array_equal(np.array(row["points"], np.float32), sample.cloud.points)
        assert row["preview"] == 1
    labels = client.run(
        "from datasets import load_dataset\n"
        "answer = {row['id']: row['labels'] for row in load_dataset('me/clouds', 'full', split='train')}"
    )
    for sample in clouds.samples():
        assert np.array_equal(np.array(labels[sample.id], bool), sample.cloud.labels)


@pytest.mark.parametrize("name", ["images", "scans", "clouds"])
def test_every_snippet_of_the_card_runs(client, hub, name, request, tmp_path):
    """As it stands, but for less training."""
    run = request.getfixturevalue(name)
    code, said = client.flawsmith("push", run.path, f"me/{name}")
    assert code == 0, said
    snippets = re.findall(r"```python\n(.*?)```", hub.files(f"me/{name}")["README.md"].decode(), re.DOTALL)
    assert len(snippets) == (3 if name == "images" else 4)
    for snippet in snippets:
        small = snippet.replace("SIDE, EPOCHS, BATCH = 256, 20, 8", "SIDE, EPOCHS, BATCH = 64, 1, 8")
        assert ("segmenter" in snippet) == (small != snippet)
        client.run(f"import os\nos.chdir(folder)\n{small}", folder=str(tmp_path))
    assert list(tmp_path.glob("segmenter/*.safetensors"))


def test_a_second_push_of_the_same_sends_nothing_and_makes_the_same_bytes(client, hub, images):
    client.flawsmith("push", images.path, "me/twice")
    before, sent, commits = hub.files("me/twice"), dict(hub.uploads), len(hub.repos["me/twice"].commits)
    code, said = client.flawsmith("push", images.path, "me/twice")
    assert code == 0, said
    assert "0 files sent" in said
    assert (hub.files("me/twice"), dict(hub.uploads), len(hub.repos["me/twice"].commits)) == (before, sent, commits)
    client.run("import shutil; shutil.rmtree(folder)", folder=f"{images.path}-hub")
    code, said = client.flawsmith("push", images.path, "me/twice")
    assert "0 files sent" in said, said


def test_everything_becomes_visible_in_one_commit(client, hub, images):
    client.flawsmith("push", images.path, "me/once")
    assert len(hub.repos["me/once"].commits) == 2  # the empty repository and the dataset
    assert {"README.md", "evidence.json", "assets/contact_sheet.jpg"} < hub.files("me/once").keys()


def test_a_killed_push_sends_the_rest_when_it_is_repeated(client, hub, scans):
    pushing: list[subprocess.Popen] = []
    hub.objects.clear()
    hub.uploads.clear()

    def kill():
        if pushing and pushing[0].poll() is None:
            pushing[0].send_signal(signal.SIGKILL)
            time.sleep(0.2)

    hub.on_upload = kill
    command = [sys.executable, "-m", "synth.cli", "push", str(scans.path), "me/killed"]
    pushing.append(subprocess.Popen(command, env=client.env, cwd=ROOT, stdout=subprocess.DEVNULL))
    assert pushing[0].wait(120) == -signal.SIGKILL
    assert hub.files("me/killed").keys() == {".gitattributes"}
    first = set(hub.objects)
    assert first
    hub.on_upload = lambda: None
    code, said = client.flawsmith("push", scans.path, "me/killed")
    assert code == 0, said
    assert len(hub.uploads) > len(first)
    assert set(hub.uploads.values()) == {1}
    assert {"README.md", "evidence.json"} < hub.files("me/killed").keys()


def test_a_second_push_keeps_what_a_person_wrote(client, hub, images):
    client.flawsmith("push", images.path, "me/edited")
    card = hub.files("me/edited")["README.md"].decode()
    mine = card.replace("license: cc-by-4.0\n", "license: cc-by-4.0\nlanguage:\n- en\n")
    mine = mine.replace("- synthetic\n", "- synthetic\n- our-line-3\n")
    mine = mine.replace(
        "<!-- flawsmith: schema", "## Who to ask\n\nThe line's own inspectors.\n\n<!-- flawsmith: schema"
    )
    mine = mine.replace("## Limits\n", "## Limits, as we see them\n")
    mine = re.sub(r"<!-- flawsmith: train .*?<!-- /flawsmith: train -->\n", "", mine, flags=re.DOTALL)
    hub.edit("me/edited", "README.md", mine.encode())
    images.drop([images.manifest[0].id])
    try:
        code, said = client.flawsmith("push", images.path, "me/edited")
    finally:
        images.drop([*images.dropped], restore=True)
    assert code == 0, said
    assert "kept as they were edited, and not renewed: limitations" in said
    now = hub.files("me/edited")["README.md"].decode()
    for kept in ("language:\n- en", "- our-line-3", "The line's own inspectors.", "## Limits, as we see them"):
        assert kept in now
    assert "## Train on it" not in now
    assert "5 synthetic samples" in now
    assert "6 synthetic samples" not in now
    rows = loaded(client, "me/edited")["rows"]["train"]
    assert images.manifest[0].id not in {row["id"] for row in rows}


def test_shards_that_are_no_longer_needed_are_taken_away(client, hub, images):
    client.flawsmith("push", images.path, "me/fewer")
    extra = "data/plate/train-00001-of-00002.parquet"
    hub.edit("me/fewer", extra, b"old")
    code, said = client.flawsmith("push", images.path, "me/fewer")
    assert code == 0, said
    assert extra not in hub.files("me/fewer")


def test_data_that_another_tool_pushed_is_left_alone(client, hub, images):
    client.flawsmith("push", images.path, "me/foreign")
    hub.repos["me/foreign"].commit("main", {"data/mine.parquet": hub.repos["me/once"].commits[
        hub.repos["me/once"].refs["main"]]["README.md"]})  # fmt: skip
    code, said = client.flawsmith("push", images.path, "me/foreign")
    assert (code, "holds data that no push of flawsmith made, such as data/mine.parquet" in said) == (1, True)
    assert hub.files("me/foreign").keys() == {"data/mine.parquet"}


def test_a_pull_request_changes_the_dataset_only_when_it_is_merged(client, hub, images):
    assert client.flawsmith("push", images.path, "me/asked", "--create-pr")[0] == 1  # there is nothing to change yet
    assert "me/asked" not in hub.repos
    client.run("from huggingface_hub import create_repo; create_repo('me/asked', repo_type='dataset')")
    code, said = client.flawsmith("push", images.path, "me/asked", "--create-pr")
    assert code == 0, said
    assert f"{hub.url}/datasets/me/asked/discussions/1" in said
    assert "README.md" not in hub.files("me/asked")
    assert "README.md" in hub.files("me/asked", "refs/pr/1")


def test_a_branch_is_made_where_there_is_none(client, hub, images):
    code, said = client.flawsmith("push", images.path, "me/branched", "--revision", "v2")
    assert code == 0, said
    assert "README.md" in hub.files("me/branched", "v2")
    assert "README.md" not in hub.files("me/branched")


def test_a_dry_run_sends_nothing_and_leaves_a_folder_that_loads(client, hub, images):
    hub.log.clear()
    code, said = client.flawsmith("push", images.path, "me/never", "--dry-run")
    assert code == 0, said
    assert "nothing was sent" in said
    assert hub.log == []
    rows = client.run(
        "from datasets import load_dataset\nanswer = load_dataset(folder, split='train').num_rows",
        folder=f"{images.path}-hub",
    )
    assert rows == sum(record.role != "test" for record in images.dataset())


def test_the_dataset_is_downloaded_whole(client, hub, images):
    client.flawsmith("push", images.path, "me/whole")
    names = client.run(
        "from huggingface_hub import snapshot_download\nfrom pathlib import Path\n"
        "root = Path(snapshot_download('me/whole', repo_type='dataset'))\n"
        "answer = {str(p.relative_to(root)): p.stat().st_size for p in root.rglob('*') if p.is_file()}"
    )
    assert names == {name: len(content) for name, content in hub.files("me/whole").items()}


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "create$", 401, r"no token, or it is not valid; run `hf auth login`"),
        ("POST", "create$", 403, r"refuses to write to me/fault .*a token that may write there"),
        ("GET", "me/fault$", 404, r"no dataset me/fault that this token can see"),
        ("POST", "commit", 413, r"takes nothing as large as this"),
        ("POST", "preupload", 400, r"refuses me/fault \(status 400"),
    ],
)
def test_a_refusal_is_a_sentence_without_the_token(client, hub, images, method, path, status, words):
    hub.fail(method, path, status, times=99, message=f"because of {TOKEN}")
    code, said = client.flawsmith("push", images.path, "me/fault")
    assert code == 1
    assert re.search(words, said), said
    assert len(said.strip().splitlines()[-1:]) == 1
    assert TOKEN not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "create$", 429),
        ("POST", "preupload", 503),
        ("POST", "commit", 500),
        ("POST", "commit", 0),
        ("PUT", "lfs", 0),
        ("GET", "tree", 0),
    ],
)
def test_a_passing_fault_is_got_over(client, hub, clouds, method, path, status):
    repo = f"me/passing-{method}-{status}-{path.strip('$')}".lower()
    hub.objects.clear()
    hub.fail(method, path, status)
    code, said = client.flawsmith("push", clouds.path, repo)
    assert code == 0, said
    assert not any(fault.times for fault in hub.faults)
    assert "README.md" in hub.files(repo)


def test_a_card_that_is_edited_meanwhile_is_merged_and_not_overwritten(client, hub, images):
    client.flawsmith("push", images.path, "me/racing")
    images.drop([images.manifest[0].id])

    def edit():
        hub.on_upload = lambda: None
        card = hub.files("me/racing")["README.md"].decode()
        hub.edit("me/racing", "README.md", (card + "\nWritten meanwhile.\n").encode())

    hub.on_upload = edit
    try:
        code, said = client.flawsmith("push", images.path, "me/racing")
    finally:
        images.drop([*images.dropped], restore=True)
    assert code == 0, said
    now = hub.files("me/racing")["README.md"].decode()
    assert "Written meanwhile." in now
    assert "5 synthetic samples" in now


def test_without_a_token_one_is_asked_for(client, hub, images):
    code, said = client.flawsmith("push", images.path, "me/nobody", token=None)
    assert (code, "hf auth login" in said) == (1, True)
    assert "me/nobody" not in hub.repos


def test_a_public_dataset_is_not_taken_for_a_private_one(client, hub, images):
    client.flawsmith("push", images.path, "me/public")
    code, said = client.flawsmith("push", images.path, "me/public", "--private")
    assert (code, "exists and is public" in said) == (1, True)


@pytest.mark.parametrize("repo", ["noname", "me/", "me/a b", "../me/x", "me/a/b"])
def test_a_name_that_no_dataset_has_is_refused_before_anything_is_made(client, images, repo, tmp_path):
    code, said = client.flawsmith("push", images.path, repo)
    assert (code, "wanted owner/name" in said) == (2, True)


def test_a_pull_request_on_a_branch_is_refused(client, images):
    code, said = client.flawsmith("push", images.path, "me/images", "--create-pr", "--revision", "v2")
    assert (code, "leave out --revision, or --create-pr" in said) == (2, True)


def test_the_token_is_written_nowhere(client, hub, images):
    client.flawsmith("push", images.path, "me/secret")
    places = [images.path, images.path.with_name("run-hub")]
    held = [
        file for place in places for file in place.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()
    ]
    assert held == []
    assert not any(TOKEN.encode() in content for content in hub.files("me/secret").values())
    assert os.environ.get("HF_TOKEN") != TOKEN
