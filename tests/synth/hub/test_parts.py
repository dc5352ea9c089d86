"""The parts of a push that need no Hub: licences, the merge of cards, what is retried, evidence, the card's text."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from synth.errors import HubError, LicenceError, RecipeError, RunError, WriterError
from synth.hub import card, evidence, push
from synth.hub.licences import check_tag, licence_of
from synth.hub.publish import folder_of
from synth.hub.sections import marked, merged
from synth.hub.talk import LONGEST_WAIT_S, persist
from synth.io.sealed import write_sealed
from synth.recipe import Recipe, load_recipe
from synth.review.desk import Handed, open_desk
from synth.sources.licences import KINDS, Kind, licence_id, may_publish
from synth.sources.public_sets import PUBLIC_SETS, recognised_set, stated_licence

PERMISSIVE = [name for name, kind in KINDS.items() if kind is Kind.PERMISSIVE]


def a_run(root: Path, licence: str | None = None, products: dict[str, list[str]] | None = None, monkeypatch=None):
    """A run of which only the recipe and the ledger are asked."""
    source = {"kind": "folder", "root": str(root)} | ({} if licence is None else {"licence": licence})
    rows = [
        SimpleNamespace(product=name, defect=kind)
        for name, kinds in (products or {"part": ["flaw"]}).items()
        for kind in [None, *kinds]
    ]
    monkeypatch.setattr("synth.hub.licences.read_ledger", lambda path: rows)
    recipe = Recipe.model_validate({"source": source})
    folder = SimpleNamespace(recipe=Path("run/recipe.yaml"), ledger=Path("run/ledger.parquet"))
    return SimpleNamespace(recipe=recipe, folder=folder, path=Path("run"))


@pytest.mark.parametrize("known", PUBLIC_SETS, ids=lambda known: known.title)
@pytest.mark.parametrize("tag", ["mit", "cc-by-4.0", "cc0-1.0", "apache-2.0"])
def test_a_public_set_is_known_by_its_folder_and_no_licence_takes_more_than_it_gives(known, tag, tmp_path, monkeypatch):
    run = a_run(tmp_path / f"{known.folders[0]}_data" / "inner", tag, monkeypatch=monkeypatch)
    if known.licence is not None and may_publish(tag, known.licence):
        assert licence_of(run).id == tag
        return
    with pytest.raises(LicenceError, match=rf"source\.licence is {tag}, and .* inherits; say .*--set source\.licence="):
        licence_of(run)


@pytest.mark.parametrize("known", PUBLIC_SETS, ids=lambda known: known.title)
def test_a_public_set_hands_its_licence_on_or_asks_for_one(known, tmp_path, monkeypatch):
    root = tmp_path / known.folders[0]
    if known.licence is None:
        with pytest.raises(LicenceError, match=f"seem to be {known.title}, whose publishers state no licence"):
            licence_of(a_run(root, monkeypatch=monkeypatch))
        assert licence_of(a_run(root, "other", monkeypatch=monkeypatch)).id == "other"
    else:
        assert licence_of(a_run(root, monkeypatch=monkeypatch)).id == known.licence


@pytest.mark.parametrize(
    ("products", "title"),
    [
        ({"bottle": ["broken_large"]}, "MVTec AD"),
        ({"screw": ["scratch_head", "thread_top"], "wood": ["hole"]}, "MVTec AD"),
        ({"tire": ["cut", "hole"]}, "MVTec 3D-AD"),
        ({"pcb1": [], "candle": ["anomaly"]}, "VisA"),
        ({"seahorse": [], "toffees": []}, "Real3D-AD"),
        ({"steel": ["crazing", "inclusion", "scratches"]}, "NEU surface defects"),
        ({"tile": ["MT_Blowhole", "MT_Break", "MT_Fray"]}, "magnetic tile defects"),
        ({"screw": []}, None),
        ({"bottle": ["our_own_flaw"]}, None),
        ({"car": []}, None),
        ({"lid": ["crack", "break"]}, None),
    ],
)
def test_a_renamed_folder_is_known_by_its_products_and_types(products, title, tmp_path):
    found = recognised_set(tmp_path / "data", products)
    assert (None if found is None else found.title) == title


@pytest.mark.parametrize("name", ["visage", "visa-line", "admpdd", "own", "dagmar"])
def test_a_folder_that_is_only_called_alike_is_ones_own(name, tmp_path):
    assert recognised_set(tmp_path / name / "images" / "x", {"lid": ["crack"]}) is None


def test_a_licence_file_beside_the_images_counts(tmp_path, monkeypatch):
    place = tmp_path / "parts" / "lid"
    place.mkdir(parents=True)
    (place / "license.txt").write_text("see <http://creativecommons.org/licenses/by-nc-sa/4.0/>")
    assert stated_licence(tmp_path / "parts") == "cc-by-nc-sa-4.0"
    assert licence_of(a_run(tmp_path / "parts", monkeypatch=monkeypatch)).id == "cc-by-nc-sa-4.0"
    with pytest.raises(LicenceError, match=r"a file beside the images"):
        licence_of(a_run(tmp_path / "parts", "mit", monkeypatch=monkeypatch))
    (place / "readme.txt").write_text("Copyright 2019 MVTec Software GmbH")
    assert recognised_set(tmp_path / "parts", {}).title == "MVTec AD"


def test_images_of_ones_own_need_a_statement_and_may_have_any(tmp_path, monkeypatch):
    with pytest.raises(LicenceError, match=r"no licence that is known.*--set source\.licence=ID --out run"):
        licence_of(a_run(tmp_path / "line3", monkeypatch=monkeypatch))
    for tag in (*PERMISSIVE, "other", "unknown", "cc-by-nc-4.0"):
        assert licence_of(a_run(tmp_path / "line3", tag, monkeypatch=monkeypatch)).id == tag
    with pytest.raises(LicenceError, match="forbids to publish"):
        licence_of(a_run(tmp_path / "line3", "cc-by-nd-4.0", monkeypatch=monkeypatch))


def test_rendered_products_have_the_projects_own_licence():
    assert licence_of(SimpleNamespace(recipe=Recipe())).id == "apache-2.0"


@pytest.mark.parametrize("source", [name for name in KINDS if KINDS[name] is not Kind.PERMISSIVE])
def test_no_permissive_tag_is_put_on_data_that_is_not(source):
    assert not any(may_publish(tag, source) for tag in PERMISSIVE)
    assert may_publish(source, source) == (KINDS[source] is not Kind.NO_DERIVATIVES)


@pytest.mark.parametrize(
    ("given", "wanted"), [("CC-BY-4.0", "cc-by-4.0"), ("GPL-3.0-only", "gpl-3.0"), (" mit ", "mit"), ("0BSD", "bsd")]
)
def test_a_licence_is_given_by_its_spdx_identifier_too(given, wanted):
    assert licence_id(given) == wanted


def test_a_licence_that_is_none_is_refused_by_the_recipe_with_the_nearest_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: {kind: folder, root: ., licence: cc-by-nc-sa}\n")
    with pytest.raises(
        RecipeError, match=r"mine\.yaml:1: source\.licence is 'cc-by-nc-sa': .*did you mean cc-by-nc-sa-4\.0"
    ):
        load_recipe(file)


def test_a_card_on_the_hub_cannot_give_more_than_the_source():
    licence = SimpleNamespace(id="cc-by-nc-sa-4.0", source="MVTec AD")
    check_tag("cc-by-nc-sa-4.0", licence, "me/x")
    with pytest.raises(
        LicenceError, match=r"card of me/x has the licence mit.*change the card's licence to cc-by-nc-sa-4"
    ):
        check_tag("mit", licence, "me/x")


def test_the_licence_of_a_finished_run_is_stated_later_and_nothing_is_made_again(images, monkeypatch):
    from synth import generators
    from synth.pipeline import preparation
    from synth.pipeline.runs import run
    from synth.pipeline.verify import verify
    from tests.synth.blobs import BLOBS

    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    monkeypatch.setattr(preparation, "read_source", lambda *_: pytest.fail("read again"))
    before = images.folder.manifest.read_bytes()
    for licence in ("other", "cc-by-4.0"):
        again = run(load_recipe(images.folder.recipe, [f"source.licence={licence}"]), images.path)
        assert again.recipe.source.licence == licence
    assert images.folder.manifest.read_bytes() == before
    assert verify(images.path, preparation.silent).whole


SECTIONS = {"summary": "# A set", "load": "how", "limits": "few"}


def test_a_new_card_has_every_part_and_is_its_own_merge():
    first = merged(SECTIONS, None).body
    assert merged(SECTIONS, first).body == first
    assert merged(SECTIONS, first.replace("\n", "\r\n")).body == first


def test_what_stands_beside_the_parts_stays_and_they_are_renewed():
    mine = f"Mine first.\n\n{merged(SECTIONS, None).body}\nMine last.\n"
    now = merged({**SECTIONS, "load": "another way"}, mine)
    assert now.body == mine.replace(marked("load", "how"), marked("load", "another way"))
    assert now.edited == ()


def test_a_part_that_a_person_changed_is_kept_and_told_and_an_emptied_one_renewed():
    changed = merged(SECTIONS, None).body.replace("\nhow\n", "\nmy way\n")
    kept = merged({**SECTIONS, "load": "another way"}, changed)
    assert "my way" in kept.body
    assert "another way" not in kept.body
    assert kept.edited == ("load",)
    emptied = merged({**SECTIONS, "load": "another way"}, changed.replace("\nmy way\n", "\n"))
    assert "another way" in emptied.body
    assert emptied.edited == ()


def test_a_part_that_a_person_took_out_stays_out():
    without = merged(SECTIONS, None).body.replace(marked("load", "how"), "")
    assert "flawsmith: load" not in merged(SECTIONS, without).body


def test_a_card_without_marks_is_kept_whole():
    assert merged(SECTIONS, "# Written by hand\n").body.startswith("# Written by hand\n\n<!-- flawsmith: summary")


class Refused(Exception):
    """As a library for HTTP has it."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status, headers=headers or {})


def failing(problems: list[Exception]):
    def step() -> str:
        if problems:
            raise problems.pop(0)
        return "done"

    return step


@pytest.mark.parametrize("problem", [Refused(429), Refused(500), Refused(503), Refused(412), ConnectionResetError()])
def test_a_passing_fault_is_tried_again_a_bounded_number_of_times(problem):
    slept: list[float] = []
    assert persist(failing([problem] * 2), "me/x", (1, 2), slept.append) == "done"
    assert slept == [1, 2]
    with pytest.raises(HubError, match="push again"):
        persist(failing([problem] * 3), "me/x", (1, 2), slept.append)


def test_the_hub_says_how_long_to_wait_and_is_not_waited_for_beyond_reason():
    slept: list[float] = []
    persist(failing([Refused(429, {"Retry-After": "7"})]), "me/x", (1,), slept.append)
    assert slept == [7]
    with pytest.raises(HubError, match="slow down"):
        persist(failing([Refused(429, {"Retry-After": f"{LONGEST_WAIT_S + 1:.0f}"})]), "me/x", (1,), slept.append)


def test_a_fault_of_our_own_is_not_taken_for_the_hubs():
    with pytest.raises(ZeroDivisionError):
        persist(failing([ZeroDivisionError()]), "me/x", (1,))


def test_a_card_has_a_head_that_the_hub_knows_and_says_what_was_not_measured(images, tmp_path):
    place = card(images.path, tmp_path / "card.md")
    text = place.read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "cc-by-4.0"
    assert {"synthetic", "anomaly-detection"} <= set(head["tags"])
    assert [one["config_name"] for one in head["configs"]] == ["all", "plate"]
    assert head["dataset_info"][0]["splits"][0]["num_examples"] == 6 + 6
    assert text.count("not measured") >= 3
    assert str(images.path.parent) not in text
    assert "{{" not in text
    with Image.open(tmp_path / "assets" / "contact_sheet.jpg") as sheet:
        assert sheet.width > 500
    said = json.loads((tmp_path / "evidence.json").read_text())
    assert said["quality"] is None
    assert said["first_rows_bytes"]["values"] < 1_000_000
    assert str(images.path.parent) not in json.dumps(said)
    assert {one["defect"]: one["accepted"] for one in said["yields"]} == {"crack": 3, "stain": 3}


def quality(run) -> dict:
    interval = {"value": 0.5, "low": 0.25, "high": 0.75, "level": 0.95, "images": 9}
    mask = {"product": "plate", "defect": "crack", "drawn": 3, "shots": 4, "width": 1.1, "area": 0.9, "length": None}
    copies = {"pasted": 0, "drawn": 6, "rate": 1 / 6, "interval": [0.01, 0.4], "flags": [{"id": "a"}]}
    return {
        "generated": 6,
        "shots": 8,
        "figures": {"KID (tiny_base, whole)": 0.125, "mask alignment": interval},
        "masks": [mask],
        "on_foreground": None,
        "copies": copies,
        "near_duplicates": [],
        "warnings": ["few images"],
        "made_from": run.made_from,
    }


def verdict() -> dict:
    gain = {"segmenter": "lfd", "training_set": "ours_real", "over": "real", "images": 7, "learnt": True}
    interval = {"value": 0.031, "low": 0.004, "high": 0.058, "level": 0.95, "images": 7}
    gains = [
        {**gain, "what": what, "value": 0.031, "interval": interval, "verdict": "helps"} for what in ("all types", "a")
    ]
    return {"quick": None, "seeds": 3, "gains": gains, "test_images": {"crack": 7}}


@pytest.fixture
def measured(images):
    """Writes a file of measurements beside the run; all are gone afterwards."""
    written = []

    def write(suffix: str, name: str, content: object) -> Path:
        place = images.path.with_name(f"run{suffix}") / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(content))
        written.append(place)
        return place

    yield write
    for place in written:
        place.unlink(missing_ok=True)


def test_what_eval_writes_is_what_the_card_reads(images, tmp_path):
    """The two rooms share no code, so their files are compared."""
    from eval.metrics.bootstrap import Interval
    from eval.quality.outlines import Tightness
    from eval.quality.report import Quality, write_quality
    from eval.study import judging
    from eval.study.study import Study

    interval = Interval(0.5, 0.25, 0.75, 0.95, 9)
    nan = float("nan")
    mask = Tightness("plate", "crack", 3, 4, 1.1, 0.9, nan, nan, nan, nan)
    figures = {"KID": 0.125, "alignment": interval}
    copies = {"pasted": 6, "pasted_found": 6, "drawn": 0, "rate": None, "interval": None, "flags": []}
    found = Quality(str(images.path), 6, 8, figures, [mask], None, copies, [("a", "b")], ["few"], images.made_from)
    write_quality(found, tmp_path)
    written = (tmp_path / "quality.json").read_text()
    assert str(images.path.parent) not in written
    read = evidence.Quality.model_validate(json.loads(written))
    assert (read.figures["alignment"].low, read.masks[0].length, read.near_duplicates) == (0.25, None, (("a", "b"),))

    gain = judging.Gain("lfd", "ours_real", "real", judging.ALL_TYPES, 7, interval, 0.5)
    study = Study({"lfd": {}}, ("real", "ours_real"), 3)
    verdict = judging.Verdict("run", study, {"crack": 1}, {"crack": 7}, 4, [], [], [gain], {})
    (read_gain,) = evidence.Verdict.model_validate(json.loads(json.dumps(verdict.to_json()))).in_all
    assert (read_gain.verdict, read_gain.interval.high) == ("helps", 0.75)


def test_a_card_carries_what_was_measured(images, measured):
    measured("-quality", "quality.json", quality(images))
    place = measured("-verdict", "verdict.json", verdict())
    write_sealed(place.with_name("study.json"), images.made_from)
    text = card(images.path).read_text()
    for words in (
        "| KID (tiny\\_base, whole) | 0.125 |",
        "| mask alignment | 0.500 [0.250, 0.750] |",
        "| plate | crack | 1.10 | 0.90 | not measured | 3 | 4 |",
        "Of 6 drawn ones, copies of a shot: 1, 16.7 % [1.0, 40.0].",
        "| lfd | ours\\_real | real | +3.1 [+0.4, +5.8] | helps |",
        "Test images: 7 crack.",
        "- few images",
    ):
        assert words in text, words
    assert text.count("| helps |") == 1


def test_a_measurement_of_an_earlier_state_is_left_out_and_told(images, measured):
    measured("-quality", "quality.json", quality(images) | {"made_from": {"images": "0"}})
    place = measured("-verdict", "verdict.json", verdict())
    write_sealed(place.with_name("study.json"), {"images": "0"})
    text = card(images.path).read_text()
    assert "generation quality was measured on an earlier state" in text
    assert "verdict was reached on an earlier state" in text
    assert "helps" not in text


def test_a_damaged_measurement_is_named(images, measured):
    place = measured("-detectors", "detectors.json", {"measured": [3]})
    with pytest.raises(RunError, match=re.escape(f"{place} cannot be read as the measurement")):
        card(images.path)


def test_a_card_that_was_edited_here_is_kept(images):
    place = card(images.path)
    mine = place.read_text().replace("<!-- flawsmith: load", "Ours, from line 3.\n\n<!-- flawsmith: load")
    place.write_text(mine)
    assert "Ours, from line 3." in card(images.path).read_text()
    place.unlink()


def test_shards_that_are_damaged_are_made_again_with_the_same_bytes(images):
    push(images.path, "me/x", dry_run=True)
    shard = next(folder_of(images).rglob("*.parquet"))
    before = shard.read_bytes()
    shard.write_bytes(before[:-1])
    push(images.path, "me/x", dry_run=True)
    assert shard.read_bytes() == before


def test_a_folder_of_ones_own_is_not_taken_for_a_prepared_one(clouds):
    place = folder_of(clouds) / "mine.txt"
    place.parent.mkdir(exist_ok=True)
    place.write_text("mine")
    try:
        with pytest.raises(WriterError, match=r"mine\.txt"):
            push(clouds.path, "me/x", dry_run=True)
    finally:
        place.unlink()


def test_what_a_person_decided_is_what_the_dataset_holds(images, tmp_path):
    out = shutil.copytree(images.path, tmp_path / "run")
    first, second = images.manifest[:2]
    mask = np.zeros(first.load(images.path).mask.shape, np.uint8)
    mask[4:9, 4:9] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    with open_desk(out, lambda *_: None) as desk:
        desk.apply(Handed({second.id: "rejected"}, {first.id: file.getvalue()}))
        desk.finish(lambda *_: None)
    rows = pq.read_table(next(card(out).parent.glob("data/*/train-*.parquet"))).to_pylist()
    by_id = {row["id"]: row for row in rows}
    assert second.id not in by_id
    assert (np.asarray(Image.open(io.BytesIO(by_id[first.id]["mask"]["bytes"]))) == mask).all()
    assert json.loads(by_id[first.id]["provenance"])["mask"] == "edited by a person"
