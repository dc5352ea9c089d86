from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synth import generators
from synth.errors import WriterError
from synth.io.images import read_image
from synth.sources import read
from synth.writers import WRITERS, parquet, write
from synth.writers.parquet import boxes
from synth.writers.sink import FolderSink
from tests.synth.blobs import BLOBS, run_blobs, tree, write_source


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        folder = tmp_path_factory.mktemp("formats")
        return run_blobs(write_source(folder / "source"), folder / "out", output={"format": ["mvtec", "parquet"]})


@pytest.fixture(scope="module")
def samples(finished):
    return [*finished.samples(), *finished.good_images()]


def opened(folder, **options):
    from datasets import load_dataset

    files = str(folder / "train-*.parquet")
    return load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder / "cache"), **options)


def test_the_mvtec_tree_is_read_back_by_our_reader_with_equal_pixels(finished):
    found = {Path(s.meta["file"]).stem: s for s in read(finished.folder.data / "tile", "mvtec_ad")}
    for sample in finished.samples():
        assert np.array_equal(found[sample.id].image, sample.image)
        assert np.array_equal(found[sample.id].mask, sample.mask)
        assert found[sample.id].defect == sample.defect
    assert sum(sample.defect is None for sample in found.values()) == 5


def test_the_mvtec_tree_pairs_by_the_published_naming(finished):
    root = finished.folder.data / "tile"
    images = sorted(root.glob("test/*/*.png"))
    assert len(images) == len(finished.manifest)
    for image in images:
        mask = np.asarray(Image.open(root / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"))
        assert set(np.unique(mask)) == {0, 255}
        assert mask.shape == read_image(image).shape[:2]


def test_parquet_is_opened_by_datasets_with_decoded_images_and_named_labels(finished, samples):
    rows = opened(finished.folder.data)
    assert rows.num_rows == len(samples)
    assert rows.features["defect"].names == ["good", "crack", "stain"]
    assert rows.features["product"].names == ["tile"]
    for row, sample in zip(rows, finished.samples(), strict=False):
        assert row["id"] == sample.id
        assert np.array_equal(np.asarray(row["image"]), sample.image)
        assert np.array_equal(np.asarray(row["mask"]) > 0, sample.mask)
        assert rows.features["defect"].int2str(row["defect"]) == sample.defect
        assert row["seed"] == sample.provenance.seed
        assert row["provenance"]["start"] == sample.provenance.start.sha256
        left, top, width, height = row["bbox"][0]
        assert sample.mask[top : top + height, left : left + width].all()


def test_good_images_come_last_with_an_empty_mask(finished, samples):
    rows = opened(finished.folder.data)
    for row, good in zip(list(rows)[len(finished.manifest) :], samples[len(finished.manifest) :], strict=True):
        assert row["defect"] == 0
        assert row["bbox"] == []
        assert row["seed"] is None
        assert np.asarray(row["mask"]).max() == 0
        assert np.array_equal(np.asarray(row["image"]), good.image)
        assert row["provenance"]["file"] == Path(good.meta["file"]).name


def test_parquet_names_no_place_of_the_machine(finished):
    for row in opened(finished.folder.data):
        assert str(finished.path.parent) not in str(row["provenance"])


def test_shards_hold_everything_once(samples, tmp_path):
    parquet.write(iter(samples), FolderSink(tmp_path), shard_bytes=20_000)
    shards = sorted(path.name for path in tmp_path.glob("*.parquet"))
    assert len(shards) > 1
    assert shards[-1] == f"train-{len(shards) - 1:05d}-of-{len(shards):05d}.parquet"
    assert opened(tmp_path)["id"][:] == [sample.id for sample in samples]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["mvtec", "parquet"])
def test_a_writer_gives_the_same_bytes_each_time_and_over_itself(name, samples, tmp_path):
    for folder in ("first", "second", "second"):
        WRITERS[name].write(iter(samples), FolderSink(tmp_path / folder))
    first = tree(tmp_path / "first")
    assert first
    assert first == tree(tmp_path / "second")


@pytest.mark.parametrize("name", ["anomaly_shapenet", "mvtec_3d", "ply", "real3d_ad"])
def test_a_writer_of_geometry_refuses_flat_images_and_names_what_suits_them(name, samples, tmp_path):
    with pytest.raises(WriterError, match=r"output\.format mvtec"):
        write(iter(samples), tmp_path / "out", name)
    assert not list(tmp_path.rglob("*.p*"))


def test_boxes_are_one_for_each_connected_piece():
    mask = np.zeros((37, 53), bool)
    mask[3:6, 10:21] = True
    mask[6, 21] = True  # touches by a corner
    mask[30, 2:4] = True
    assert boxes(mask) == [[10, 3, 12, 4], [2, 30, 2, 1]]
    assert boxes(np.zeros((37, 53), bool)) == []


def test_boxes_cover_every_mask_pixel():
    mask = ndimage.gaussian_filter(np.random.default_rng(2).random((37, 53)), 2) > 0.52
    covered = np.zeros_like(mask)
    for left, top, width, height in boxes(mask):
        covered[top : top + height, left : left + width] = True
    assert mask.any()
    assert (covered | ~mask).all()
