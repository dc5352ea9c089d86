"""A run as a torch Dataset, its batches, and the page that explains them."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from eval.segmenters.dataset import InjectingSampler, TrainingData
from synth.checks.ledger import read_ledger
from synth.errors import EvalError, FlawsmithError, RunError

PAGE = Path(__file__).parents[3] / "docs/training.md"


@pytest.fixture(scope="module")
def data(finished):
    return TrainingData(finished.path)


def test_it_holds_the_training_side_and_the_run_and_nothing_else(data, finished):
    roles = {row.id: row.role for row in read_ledger(finished.folder.ledger)}
    items = [data[index] for index in range(len(data))]
    real = [item for item in items if not item["synthetic"]]
    assert {item["id"] for item in real} == {name for name, role in roles.items() if role in ("shot", "good")}
    assert {item["id"] for item in items if item["synthetic"]} == {record.id for record in finished.manifest}
    assert {item["defect"] for item in items} == {"good", "crack", "stain"}
    for item in items:
        assert item["image"].shape == (3, 37, 53)
        assert item["image"].dtype == item["mask"].dtype == torch.float32
        assert bool(item["mask"].any()) == (item["defect"] != "good")
        assert 0.2 < item["image"].max() <= 1


def test_an_item_is_the_sample_s_own_pixels_and_the_last_may_be_counted_from_the_end(data, finished):
    wanted = list(finished.samples())[-1]
    item = data[-1]
    assert np.array_equal((item["image"] * 255).round().byte().numpy().transpose(1, 2, 0), wanted.image)
    assert np.array_equal(item["mask"][0].numpy() > 0, wanted.mask)
    with pytest.raises(IndexError):
        data[len(data)]


def test_real_samples_may_be_given_and_those_kept_from_training_are_refused(finished, data):
    good = data.sample(int(data.groups.good_images[0]))
    mine = TrainingData(finished, real=[replace(good, split="train"), replace(good, split=None)])
    assert len(mine) == 2 + len(finished.manifest)
    for split in ("validation", "test"):
        with pytest.raises(EvalError, match=rf"is a {split} image; give real samples"):
            TrainingData(finished, real=[replace(good, split=split)])


def test_resizing_and_augmentation_reach_image_and_mask(finished):
    flipped = TrainingData(
        finished, real=[], resolution=32, transform=lambda image, mask: (image[:, ::-1], mask[:, ::-1])
    )
    plain = TrainingData(finished, real=[], resolution=32)
    assert flipped[0]["image"].shape == (3, 32, 32)
    for key in ("image", "mask"):
        assert torch.equal(flipped[0][key].flip(-1), plain[0][key])


def test_batches_are_those_of_the_rule_and_of_their_number(data):
    sampler = InjectingSampler(data, batch=8, batches=20, seed=4)
    batches = list(sampler)
    assert len(sampler) == len(batches) == 20
    for rows in batches:
        items = [data[row] for row in rows]
        assert [item["defect"] != "good" and not item["synthetic"] for item in items] == [True] * 4 + [False] * 4
        assert sum(item["synthetic"] for item in items) <= 2
    assert sum(row >= len(data) - len(data._made) for rows in batches[:10] for row in rows) == 20
    assert list(InjectingSampler(data, batch=8, batches=20, seed=4, first=12)) == batches[12:]


def test_a_copy_for_another_process_reads_the_same(data):
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[0]["image"], data[0]["image"])
    assert torch.equal(next(iter(DataLoader(again, batch_size=2)))["mask"][1], data[1]["mask"])


def test_a_run_that_is_not_there_or_unfinished_is_refused(tmp_path):
    with pytest.raises(FlawsmithError, match="none"):
        TrainingData(tmp_path / "none")
    (tmp_path / "recipe.yaml").write_text("name: a\n")
    with pytest.raises(RunError, match="is not finished"):
        TrainingData(tmp_path)


def test_the_page_s_snippet_runs(finished, monkeypatch, tmp_path):
    snippet = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/demo").symlink_to(finished.path)
    names: dict[str, object] = {}
    exec(snippet.replace("batches=300", "batches=3"), names)
    assert names["loss"].item() > 0
