"""The trees of further public archives, as documented and with the clutter that people have in them: every image has
its product, type, role and mask, and nothing else is read."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synth.pipeline.inspect import inspect
from synth.recipe import source_for
from synth.sources import list_source, recognise
from synth.sources.listing import load, samples
from tests.synth.trees import random_image, save

SIZE = (40, 60)


def image(path: Path) -> None:
    save(path, random_image(sum(path.as_posix().encode()) % 10_000, *SIZE))


def mask(path: Path, value: int = 255, blank: bool = False) -> None:
    marked = np.zeros(SIZE, np.uint8)
    marked[10:20, 15:40] = 0 if blank else value
    save(path, marked)


def mvtec_ad_2(root: Path) -> Counter:
    for name in ("can", "rice"):
        for n in range(3):
            image(root / name / "train" / "good" / f"{n:03}_regular.png")
        image(root / name / "validation" / "good" / "000_regular.png")
        image(root / name / "test_public" / "good" / "000_regular.png")
        for n in range(3):
            image(root / name / "test_public" / "bad" / f"{n:03}_regular.png")
            mask(root / name / "test_public" / "ground_truth" / "bad" / f"{n:03}_regular_mask.png")
            image(root / name / "test_private" / f"{n:03}.png")
            image(root / name / "test_private_mixed" / f"{n:03}_mixed.png")
    own = Counter({(None, "train"): 3, (None, "validation"): 1, (None, "test"): 1, ("bad", "test"): 3})
    return Counter({(name, *key): count for name in ("can", "rice") for key, count in own.items()})


def loco(root: Path) -> Counter:
    place = root / "juice_bottle"
    for n in range(3):
        image(place / "train" / "good" / f"{n:03}.png")
    image(place / "validation" / "good" / "000.png")
    image(place / "test" / "good" / "000.png")
    for kind in ("logical_anomalies", "structural_anomalies"):
        for n in range(2):
            image(place / "test" / kind / f"{n:03}.png")
            for part in range(n + 1):
                mask(place / "ground_truth" / kind / f"{n:03}" / f"{part:03}.png", value=244 + part)
    (place / "defects_config.json").write_text("[]")
    own = {(None, "train"): 3, (None, "validation"): 1, (None, "test"): 1}
    own |= {(kind, "test"): 2 for kind in ("logical_anomalies", "structural_anomalies")}
    return Counter({("juice_bottle", *key): count for key, count in own.items()})


def btad(root: Path) -> Counter:
    for name, suffix in (("01", ".bmp"), ("02", ".png"), ("03", ".bmp")):
        for n in range(3):
            image(root / name / "train" / "ok" / f"{n:04}{suffix}")
            image(root / name / "test" / "ko" / f"{n:04}{suffix}")
            mask(root / name / "ground_truth" / "ko" / f"{n:04}{'.bmp' if name == '03' else '.png'}")
        image(root / name / "test" / "ok" / f"0009{suffix}")
    own = {(None, "train"): 3, (None, "test"): 1, ("ko", "test"): 3}
    return Counter({(name, *key): count for name in ("01", "02", "03") for key, count in own.items()})


def mpdd(root: Path) -> Counter:
    for name in ("bracket_black", "tubes"):
        for n in range(3):
            image(root / name / "train" / "good" / f"{n:03}.png")
            image(root / name / "test" / "hole" / f"{n:03}.png")
            mask(root / name / "ground_truth" / "hole" / f"{n:03}_mask.png")
    own = {(None, "train"): 3, ("hole", "test"): 3}
    return Counter({(name, *key): count for name in ("bracket_black", "tubes") for key, count in own.items()})


def visa(root: Path) -> Counter:
    rows = []
    for name in ("candle", "pcb1"):
        place = root / name / "Data"
        labels = []
        for n in range(4):
            image(place / "Images" / "Normal" / f"{n:04}.JPG")
            rows.append([name, "test" if n == 3 else "train", "normal", f"{name}/Data/Images/Normal/{n:04}.JPG", ""])
        for n in range(3):
            image(place / "Images" / "Anomaly" / f"{n:03}.JPG")
            mask(place / "Masks" / "Anomaly" / f"{n:03}.png", value=1 + n)
            labels.append([f"{name}/Data/Images/Anomaly/{n:03}.JPG", ("bent", "melt", "bent,melt")[n], ""])
        with (root / name / "image_anno.csv").open("w") as file:
            csv.writer(file).writerows([["image", "label", "mask"], *labels])
    (root / "split_csv").mkdir()
    with (root / "split_csv" / "1cls.csv").open("w") as file:
        csv.writer(file).writerows([["object", "split", "label", "image", "mask"], *rows])
    own = {(None, "train"): 3, (None, "test"): 1} | {(kind, "test"): 1 for kind in ("bent", "melt", "several")}
    return Counter({(name, *key): count for name in ("candle", "pcb1") for key, count in own.items()})


def visa_1cls(root: Path) -> Counter:
    for n in range(3):
        image(root / "candle" / "train" / "good" / f"{n:04}.JPG")
        image(root / "candle" / "test" / "bad" / f"{n:03}.JPG")
        mask(root / "candle" / "ground_truth" / "bad" / f"{n:03}.png")
    image(root / "candle" / "test" / "good" / "0009.JPG")
    return Counter({("candle", None, "train"): 3, ("candle", "bad", "test"): 3, ("candle", None, "test"): 1})


def dagm(root: Path) -> Counter:
    for name in ("Class1", "Class2"):
        for n in range(1, 5):
            image(root / name / f"{n}.png")
        for n in range(1, 4):
            image(root / f"{name}_def" / f"{n}.png")
        lines = "".join(f"{n}\t 12.5\t 4.25\t 0.5\t 30.0\t 20.0\n" for n in range(1, 4))
        (root / f"{name}_def" / "labels.txt").write_text(lines)
    own = {(None, "train"): 4, ("defect", "train"): 3}
    return Counter({(name, *key): count for name in ("Class1", "Class2") for key, count in own.items()})


def dagm_masks(root: Path) -> Counter:
    for part in ("Train", "Test"):
        for n in range(1, 6):
            image(root / "Class1" / part / f"{n:04}.PNG")
        for n in (2, 4):
            mask(root / "Class1" / part / "Label" / f"{n:04}_label.PNG")
        (root / "Class1" / part / "Label" / "Labels.txt").write_text("1\n")
    own = {(kind, part): 2 + (kind is None) for part in ("train", "test") for kind in (None, "defect")}
    return Counter({("Class1", *key): count for key, count in own.items()})


def kolektor_sdd(root: Path) -> Counter:
    for folder in range(1, 4):
        for n in range(3):
            image(root / f"kos{folder:02}" / f"Part{n}.jpg")
            mask(root / f"kos{folder:02}" / f"Part{n}_label.bmp", blank=n != 1)
    return Counter({(root.name, None, "train"): 6, (root.name, "defect", "train"): 3})


def kolektor_sdd2(root: Path) -> Counter:
    for part in ("train", "test"):
        for n in range(10000, 10005):
            image(root / part / f"{n}.png")
            mask(root / part / f"{n}_GT.png", blank=n > 10001)
    own = {(None, "train"): 3, ("defect", "train"): 2, (None, "test"): 3, ("defect", "test"): 2}
    return Counter({(root.name, *key): count for key, count in own.items()})


def real_iad(root: Path) -> Counter:
    place = root / "audiojack"
    lists: dict[str, list] = {"train": [], "test": []}
    for n in range(3):
        file = f"OK/S000{n}/audiojack_000{n}_OK_C1_2023.jpg"
        image(place / file)
        lists["test" if n == 2 else "train"].append({"image_path": file, "mask_path": None, "anomaly_class": "OK"})
    for n in range(2):
        file = f"NG/HS/S001{n}/audiojack_001{n}_NG_HS_C1_2023"
        image(place / f"{file}.jpg")
        mask(place / f"{file}.png")
        lists["test"].append({"image_path": f"{file}.jpg", "mask_path": f"{file}.png", "anomaly_class": "HS"})
    (root / "realiad_jsons").mkdir(parents=True)
    content = {"meta": {"normal_class": "OK", "prefix": "audiojack/"}, **lists}
    (root / "realiad_jsons" / "audiojack.json").write_text(json.dumps(content))
    own = {(None, "train"): 2, (None, "test"): 1, ("HS", "test"): 2}
    return Counter({("audiojack", *key): count for key, count in own.items()})


def severstal(root: Path) -> Counter:
    for n in range(5):
        image(root / "train_images" / f"{n:09}.jpg")
    image(root / "test_images" / "a.jpg")
    rows = [["ImageId", "ClassId", "EncodedPixels"]]
    rows += [[f"{n:09}.jpg", "3", "401 20 441 20"] for n in range(2)] + [["000000001.jpg", "4", "1 5"]]
    with (root / "train.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    return Counter({(root.name, None, "train"): 3, (root.name, "3", "train"): 2, (root.name, "4", "train"): 1})


ARCHIVES = {
    **{build.__name__: ("mvtec_ad", build) for build in (mvtec_ad_2, loco, btad, mpdd, visa_1cls)},
    **{build.__name__: ("dagm", build) for build in (dagm, dagm_masks)},
    **{build.__name__: ("kolektor", build) for build in (kolektor_sdd, kolektor_sdd2)},
    "visa": ("visa", visa),
    "real_iad": ("real_iad", real_iad),
    "severstal": ("labels", severstal),
}


def clutter(root: Path) -> None:
    """What lies in such folders on a disk; nothing of it may be read or stop a reader."""
    for folder in (root, *[path for path in root.rglob("*") if path.is_dir()]):
        for name in ("readme.txt", "license.txt", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_text("Attribution-NonCommercial-ShareAlike 4.0\n")
    image(root / "@eaDir" / "SYNOPHOTO_THUMB_M.png")


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("cluttered", [False, True])
def test_every_image_has_its_product_type_and_role(tmp_path, name, cluttered):
    layout, build = ARCHIVES[name]
    wanted = build(tmp_path / "archive")
    if cluttered:
        clutter(tmp_path / "archive")
    assert recognise(tmp_path / "archive") == layout
    listing = list_source(source_for(tmp_path / "archive"))
    assert not listing.errors
    assert Counter((entry.product, entry.defect, entry.split) for entry in listing.entries) == wanted
    assert len({entry.id for entry in listing.entries}) == len(listing.entries)


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_defect_is_marked_and_no_good_image_is(tmp_path, name):
    layout, build = ARCHIVES[name]
    build(tmp_path / "archive")
    for sample in samples(list_source(source_for(tmp_path / "archive", layout))):
        assert bool(sample.mask.any()) == (sample.defect is not None)
        if sample.defect is not None and name not in ("dagm", "severstal"):
            assert sample.mask.sum() == 250


@pytest.mark.parametrize("name", ARCHIVES)
def test_one_product_alone_is_read_as_well_and_inspected(tmp_path, name):
    layout, build = ARCHIVES[name]
    wanted = build(tmp_path / "archive")
    root = tmp_path / "archive"
    product = next(iter(wanted))[0]
    own = root / product if (root / product).is_dir() and name != "dagm" else root
    report = inspect(own)
    assert report.layout == layout
    named = {kind.product for kind in report.kinds}
    assert named == ({product} if own != root else {key[0] for key in wanted})
    assert not [problem for problem in report.problems if "Error" in problem.what or "unpack" in problem.what]


def test_an_ellipse_of_dagm_lies_where_its_line_says(tmp_path):
    dagm(tmp_path / "archive")
    entries = list_source(source_for(tmp_path / "archive")).entries
    found = load(next(entry for entry in entries if entry.defect)).mask
    rows, columns = np.nonzero(found)
    assert abs(rows.mean() - 19.5) < 0.6
    assert abs(columns.mean() - 29.5) < 0.6
    assert found.sum() == pytest.approx(np.pi * 12.5 * 4.25, rel=0.05)


def test_runs_of_severstal_run_down_the_columns(tmp_path):
    severstal(tmp_path / "archive")
    entries = list_source(source_for(tmp_path / "archive")).entries
    found = load(next(entry for entry in entries if entry.defect == "3")).mask
    assert found[:20, 10:12].all()
    assert found.sum() == 40
