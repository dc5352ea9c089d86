"""The scripts and the notebook of examples/, run as a reader runs them, on the smallest runs."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from types import ModuleType

import pytest

import flawsmith

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
FLAT = ["source.products=[flange]", "source.good_images=8", "source.shots_per_defect=4", "request.per_defect=3"]
FLAT += ["request.defects=[dent, rust]", "source.size=128"]
DEEP = ["source.products=[flange]", "source.good_images=3", "source.size=128", "request.per_defect=2"]
DEEP += ["generator.types=[bulge, deposit]"]


@pytest.fixture(scope="module")
def pasted(tmp_path_factory) -> Path:
    """The dataset of a small run, as MVTec AD tree and parquet."""
    return flawsmith.run(
        flawsmith.load_recipe("demo_pasted", FLAT), tmp_path_factory.mktemp("made") / "flat"
    ).folder.data


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_segmenter_trains_on_the_parquet_of_a_run(pasted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    small = "--steps 8 --batch 4 --side 64 --width 8".split()
    reached = example("train_segmenter").main([str(pasted), *small, "--out", str(tmp_path / "s")])
    assert 0 <= reached <= 1
    assert "synthetic pairs that were kept back" in capsys.readouterr().out
    assert (tmp_path / "s" / "model.safetensors").is_file()


def test_no_good_image_is_behind_both_what_is_trained_on_and_what_is_measured_on(pasted, tmp_path):
    from datasets import load_dataset

    example_of = example("train_segmenter")
    files = {"train": f"{pasted}/train-*.parquet"}
    data = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    train, test, real = example_of.parts(data)
    used, kept = ({example_of.start_of(one) for one in part["provenance"]} for part in (train, test))
    assert not real
    assert used
    assert kept
    assert not used & kept
    assert len(train) + len(test) == len(data["train"])


def test_patchcore_reads_our_tree_and_sees_the_defects(pasted, capsys):
    figures = example("patchcore_on_mvtec_tree").main([str(pasted), "--features", "random", "--side", "64"])
    assert set(figures) == {"flange"}
    assert all(math.isfinite(value) for value in figures["flange"].values())
    assert "pixel AUROC" in capsys.readouterr().out


def test_rgbd_pairs_arrive_as_registered_tensors(tmp_path):
    run = flawsmith.run(flawsmith.load_recipe("demo_3d", DEEP), tmp_path / "deep")
    module = example("rgbd_to_m3dm")
    image, cloud, depth, mask = module.main([str(run.folder.data), "--side", "56"])
    assert image.shape == cloud.shape == depth.shape == (4, 3, 56, 56)
    assert mask.shape == (4, 1, 56, 56)
    assert mask.flatten(1).any(1).all()
    assert (depth[:, 0] == cloud[:, 2]).all()
    known = {tuple(point) for point in next(run.samples()).xyz.reshape(-1, 3).tolist()}
    found = module.MultimodalTree(run.folder.data / "flange", "test", 56)
    assert {tuple(point) for point in found[0][0][1].flatten(1).T.tolist()} <= known, "no point is invented"


def test_the_notebook_has_no_outputs_and_runs(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / "first_dataset.ipynb", 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "strip the outputs before a commit"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert all(cell.execution_count for cell in code)
