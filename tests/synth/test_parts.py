"""Where the product is: estimated from the good images and compared with the shots, or given, and reported in
both cases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from synth.cli.main import app
from synth.errors import SourceError
from synth.foreground import Look, foreground
from synth.io.images import read_image
from synth.io.sealed import write_sealed
from synth.parts import OUTLINE, contact_sheet, evenly, part_of, read_parts, settle_parts, write_parts
from synth.pipeline.folder import RunFolder
from synth.pipeline.inspect import inspect
from synth.pipeline.runs import show
from synth.recipe import Recipe, load_recipe
from synth.sample import Sample
from synth.sources import read_source
from synth.sources.config import FolderSource, ProceduralSource
from synth.sources.procedural import make_part
from synth.split import Split, make_split
from tests.synth.trees import folder_tree, save

SIZE = (120, 150)


def disc(row: float, column: float, radius: float = 26) -> np.ndarray:
    rows, columns = np.indices(SIZE)
    return np.hypot(rows - row, columns - column) < radius


def on_table(part: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grain = ndimage.gaussian_filter(rng.normal(size=SIZE), 2)[..., None] * 40
    image = np.where(part[..., None], 110 + grain, 215) + rng.normal(size=(*SIZE, 3)) * 2
    return np.clip(image, 0, 255).astype(np.uint8)


def place(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return disc(rng.uniform(35, 85), rng.uniform(35, 115))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Discs lying anywhere on a plain table, with a dark spot each as defect; their true masks in `true`."""
    root = tmp_path / "disc"
    for seed in range(6):
        save(root / "good" / f"g{seed}.png", on_table(place(seed), seed))
        save(tmp_path / "true" / f"g{seed}.png", place(seed))
    for seed in range(10, 13):
        part = place(seed)
        row, column = map(int, ndimage.center_of_mass(part))
        image, mask = on_table(part, seed), np.zeros(SIZE, bool)
        mask[row : row + 7, column : column + 9] = True
        image[mask] = (60, 30, 20)
        save(root / "defect" / "spot" / f"s{seed}.png", image)
        save(root / "defect" / "spot" / f"s{seed}_mask.png", mask)
        save(tmp_path / "true" / f"s{seed}.png", part)
    return root


def split_of(root: Path, **options: object) -> tuple[Split, FolderSource]:
    source = FolderSource.model_validate({"root": root, **options})
    return make_split(read_source(source), source), source


def iou(one: np.ndarray | None, other: np.ndarray) -> float:
    assert one is not None
    return float((one & other).sum() / (one | other).sum())


def without_part(samples: list[Sample]) -> list[Sample]:
    return [replace(sample, meta={**sample.meta, "part": None}) for sample in samples]


def test_an_object_anywhere_on_a_plain_table_is_found_and_trusted(table: Path) -> None:
    split, (finding,) = settle_parts(*split_of(table))
    assert finding.how == "estimated"
    assert finding.covered == 1.0
    share = np.mean([place(seed).mean() for seed in range(6)])
    assert finding.share == pytest.approx(share, rel=0.1)
    assert (
        finding.text == "disc: the product was found in 6 of 6 good images, covers "
        f"{finding.share:.0%} of them and 100.0% of the shots' masks"
    )
    for seed, good in enumerate(split.good_images):
        assert iou(part_of(good), place(seed)) > 0.95


def test_the_screw_lying_anywhere_is_found_without_its_shadow() -> None:
    source = ProceduralSource(
        products=("screw",), good_images=10, shots_per_defect=2, test_per_defect=0, test_good_images=0, size=320
    )
    true = make_split(read_source(source), source)
    blind = replace(true, shots=without_part(true.shots), good_images=without_part(true.good_images))
    split, (finding,) = settle_parts(blind, FolderSource(root=Path("unused")))
    assert finding.how == "estimated"
    assert finding.covered is not None
    assert finding.covered >= 0.98
    found = [
        iou(part_of(good), truth.meta["foreground"])
        for good, truth in zip(split.good_images, true.good_images, strict=True)
    ]
    assert np.median(found) >= 0.9
    assert min(found) >= 0.65


def test_the_shadow_and_the_bores_of_the_built_in_parts_are_not_product() -> None:
    for product, least in (("flange", 0.97), ("cap", 0.97)):
        for seed in range(3):
            part = make_part(product, None, seed, 320)
            assert iou(foreground(part.image), part.meta["foreground"]) > least, (product, seed)


def test_a_texture_is_product_everywhere(tmp_path: Path) -> None:
    split, (finding,) = settle_parts(*split_of(folder_tree(tmp_path / "tile", good_images=6)))
    assert (finding.how, finding.share, finding.covered) == ("whole", 1.0, 1.0)
    assert "no plain background was found in 6 of 6 good images" in finding.text
    assert all(part_of(sample) is None for sample in (*split.shots, *split.good_images))


def test_an_estimate_that_misses_the_shots_masks_is_not_trusted(table: Path) -> None:
    for file in sorted((table / "defect" / "spot").glob("*_mask.png")):
        mask = np.zeros(SIZE, bool)
        mask[2:8, 2:8] = True  # on the bare table
        save(file, mask)
    split, (finding,) = settle_parts(*split_of(table))
    assert (finding.how, finding.covered) == ("not trusted", 0.0)
    assert "covers only 0% of the shots' masks" in finding.text
    assert all(part_of(sample) is None for sample in (*split.shots, *split.good_images))


def test_an_estimate_that_fails_on_many_good_images_is_not_trusted(table: Path) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        save(table / "good" / f"g{seed}.png", rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    _, (finding,) = settle_parts(*split_of(table))
    assert finding.how == "not trusted"
    assert "found in only 3 of 6 good images" in finding.text


def test_an_estimate_of_differing_areas_is_not_trusted(table: Path) -> None:
    for seed in range(3):
        save(table / "good" / f"g{seed}.png", on_table(disc(60, 75, 55), seed))
    _, (finding,) = settle_parts(*split_of(table))
    assert finding.how == "not trusted"
    assert "of the good images" in finding.text


def test_masks_named_like_the_images_are_taken(table: Path) -> None:
    split, (finding,) = settle_parts(*split_of(table, foreground=table.parent / "true"))
    assert (finding.how, finding.covered) == ("given", 1.0)
    for seed, good in enumerate(split.good_images):
        np.testing.assert_array_equal(part_of(good), place(seed))


def test_one_mask_for_all_images_is_stretched_to_each(table: Path) -> None:
    mask = np.ones((12, 15), bool)
    mask[:2] = False
    split, (finding,) = settle_parts(*split_of(table, foreground=save(table.parent / "m.png", mask)))
    assert finding.how == "given"
    part = part_of(split.good_images[0])
    assert part is not None
    assert part.shape == SIZE
    assert not part[:20].any()
    assert part[20:].all()


def test_an_inverted_mask_is_refused(table: Path) -> None:
    for file in (table.parent / "true").glob("*.png"):
        save(file, np.asarray(Image.open(file)) == 0)
    with pytest.raises(SourceError, match=r"true, the source.foreground, covers only 0% of the masks.*inverted"):
        settle_parts(*split_of(table, foreground=table.parent / "true"))


def test_a_missing_an_empty_and_an_absent_mask_are_refused(table: Path) -> None:
    true = table.parent / "true"
    save(true / "g2.png", np.zeros(SIZE, bool))
    with pytest.raises(SourceError, match=r"g2.png, a mask of source.foreground, is black everywhere; paint"):
        settle_parts(*split_of(table, foreground=true))
    (true / "g2.png").unlink()
    with pytest.raises(SourceError, match=r"has no mask for .*good/g2.png; add good/g2.png or g2.png, white"):
        settle_parts(*split_of(table, foreground=true))
    with pytest.raises(SourceError, match="nowhere does not exist; name a mask"):
        settle_parts(*split_of(table, foreground=table / "nowhere"))


def test_a_mask_named_like_two_images_is_refused_and_folders_distinguish_them(table: Path) -> None:
    true = table.parent / "true"
    (table / "defect" / "spot" / "s10.png").rename(table / "defect" / "spot" / "g0.png")
    (table / "defect" / "spot" / "s10_mask.png").rename(table / "defect" / "spot" / "g0_mask.png")
    with pytest.raises(SourceError, match=r"g0.png, a mask of source.foreground, is named like both .*sort the masks"):
        settle_parts(*split_of(table, foreground=true))
    (true / "defect" / "spot").mkdir(parents=True)
    (true / "s10.png").rename(true / "defect" / "spot" / "g0.png")
    split, _ = settle_parts(*split_of(table, foreground=true))
    parts = {sample.id: part_of(sample) for sample in (*split.shots, *split.good_images)}
    by_name = {(name.split("/")[-2], name.split("/")[-1]): part for name, part in parts.items()}
    np.testing.assert_array_equal(by_name["good", "g0.png"], place(0))
    np.testing.assert_array_equal(by_name["spot", "g0.png"], place(10))


def test_the_user_can_say_that_all_is_product(table: Path) -> None:
    split, (finding,) = settle_parts(*split_of(table, foreground="whole"))
    assert (finding.how, finding.share) == ("whole", 1.0)
    assert all(part_of(sample) is None for sample in split.good_images)


@pytest.mark.parametrize("word", ["auto", "whole"])
def test_the_words_stay_words_in_a_recipe_file_and_paths_start_from_its_folder(tmp_path: Path, word: str) -> None:
    file = tmp_path / "r.yaml"
    recipe: dict[str, object] = {"name": "r", "source": {"kind": "folder", "root": "data", "foreground": word}}
    file.write_text(yaml.safe_dump({**recipe, "generator": {"kind": "seas"}}))
    loaded = load_recipe(file)
    assert loaded.source.foreground == word  # type: ignore[union-attr]
    file.write_text(loaded.to_yaml())
    assert load_recipe(file) == loaded
    file.write_text(file.read_text().replace(f"foreground: {word}", "foreground: masks"))
    assert load_recipe(file).source.foreground == tmp_path / "masks"  # type: ignore[union-attr]


def test_built_in_parts_bring_their_true_region() -> None:
    source = ProceduralSource(
        products=("flange", "cloth"), good_images=2, shots_per_defect=1, test_per_defect=0, test_good_images=0
    )
    split, (cloth, flange) = settle_parts(make_split(read_source(source), source), source)
    assert (cloth.how, flange.how) == ("whole", "given")
    for good in split.good_images:
        if good.product == "cloth":
            assert part_of(good) is None
            continue
        part = part_of(good)
        assert part is not None
        np.testing.assert_array_equal(part, good.meta["foreground"])
        bores = ndimage.binary_fill_holes(part) & ~part
        assert ndimage.label(bores)[1] == 7, "the bore and six bolt holes are open"
        assert good.image is not None
        ring = ndimage.binary_dilation(part, iterations=6) & ~ndimage.binary_dilation(part, iterations=2) & ~bores
        assert good.image[ring].mean() < 0.6 * good.image[part].mean(), "the shadow beside it is outside"


def test_few_are_evenly_taken() -> None:
    samples = [Sample(id=str(number)) for number in range(100)]
    assert [sample.id for sample in evenly(samples, 4)] == ["0", "33", "66", "99"]
    assert evenly(samples[:2], 4) == samples[:2]
    assert evenly([], 4) == []


def test_inspect_reports_it_as_text_and_json_and_draws_the_overlay(table: Path) -> None:
    overlay = table.parent / "overlay.png"
    answer = CliRunner().invoke(app, ["inspect", str(table), "--overlay", str(overlay), "--json"])
    assert answer.exit_code == 0, answer.output
    (finding,) = json.loads(answer.stdout)["parts"]
    assert (finding["product"], finding["how"]) == ("disc", "estimated")
    assert finding["text"] in str(inspect(table))
    sheet = read_image(overlay)
    scale = 280 / SIZE[1]
    drawn = (sheet == OUTLINE).all(axis=-1)[22:, :280][: round(SIZE[0] * scale)]
    true = np.asarray(Image.fromarray(place(0)).resize(drawn.shape[::-1]))
    border = ndimage.binary_dilation(true, iterations=3) & ~ndimage.binary_erosion(true, iterations=3)
    assert drawn.sum() > 100
    assert (drawn & border).sum() > 0.95 * drawn.sum()
    assert (ndimage.binary_dilation(drawn, iterations=4) & border).sum() > 0.95 * border.sum()


def test_a_sheet_of_nothing_is_a_sheet() -> None:
    assert contact_sheet(Split([], [], []), ()).shape == (1, 1, 3)


def test_a_dry_run_reports_it(table: Path) -> None:
    recipe = table.parent / "r.yaml"
    content = {"name": "r", "source": {"kind": "folder", "root": str(table)}, "generator": {"kind": "copy_paste"}}
    recipe.write_text(yaml.safe_dump(content))
    line = "disc: the product was found in 6 of 6 good images"
    assert line in CliRunner().invoke(app, ["run", str(recipe), "--dry-run"]).stdout
    answer = CliRunner().invoke(app, ["run", str(recipe), "--dry-run", "--json"])
    assert line in json.loads(answer.stdout)["parts"][0]["text"]


def test_the_gallery_shows_what_a_run_kept(table: Path) -> None:
    split, findings = settle_parts(*split_of(table))
    out = table.parent / "run"
    recipe = Recipe.model_validate(
        {"name": "r", "source": {"kind": "folder", "root": str(table)}, "generator": {"kind": "copy_paste"}}
    )
    folder = RunFolder(out)
    out.mkdir()
    folder.real.mkdir()
    folder.recipe.write_text(recipe.to_yaml())
    write_sealed(folder.real / "index.json", [])
    assert "Where the product is" not in show(out).read_text()
    assert read_parts(folder.parts) is None
    write_parts(findings, split.good_images, folder.parts)
    kept = read_parts(folder.parts)
    assert kept is not None
    assert kept.findings == findings
    assert len(kept.shown) == 4
    page = show(out).read_text()
    assert "Where the product is" in page
    assert findings[0].text.replace("'", "&#39;") in page
    assert all(f'<path d="{shown.path}"/>' in page for shown in kept.shown)


def test_an_image_is_estimated_once(monkeypatch):
    asked = []

    def bright(look: Look, image: np.ndarray) -> np.ndarray:
        asked.append(look)
        return image[..., 0] > 100

    monkeypatch.setattr(Look, "foreground", bright)
    image = np.random.default_rng(5).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    look, other = Look(), Look()
    found = [part_of(Sample("a", image, meta={"part": which})) for which in (look, look, other)]
    assert asked == [look, other]
    for part in found:
        assert np.array_equal(part, image[..., 0] > 100)


def test_good_images_that_disagree_with_most_are_named_in_a_warning(table: Path) -> None:
    for seed in range(6, 10):
        save(table / "good" / f"g{seed}.png", on_table(place(seed), seed))
    save(table / "good" / "g3.png", on_table(disc(60, 75, 55), 3))
    save(table / "good" / "g8.png", on_table(np.zeros(SIZE, bool), 8))
    report = inspect(table)
    (finding,) = report.parts
    assert finding.how == "estimated"
    assert [Path(name).name for name in finding.doubtful] == ["g3.png", "g8.png"]
    warning = "has good images in which the product is not found where, or as large as, in most: "
    assert warning + ", ".join(finding.doubtful) in str(report)
    recipe = table.parent / "r.yaml"
    content = {"name": "r", "source": {"kind": "folder", "root": str(table)}, "generator": {"kind": "copy_paste"}}
    recipe.write_text(yaml.safe_dump(content))
    assert warning in CliRunner().invoke(app, ["run", str(recipe), "--dry-run"]).stdout


def test_two_good_images_that_contradict_each_other_are_not_trusted(table: Path) -> None:
    for file in sorted((table / "good").glob("*.png"))[2:]:
        file.unlink()
    save(table / "good" / "g1.png", on_table(disc(60, 75, 55), 1))
    _, (finding,) = settle_parts(*split_of(table))
    assert finding.how == "not trusted"
    assert "of the good images" in finding.text
