"""The generator as a whole, on a fine-tuned model of a few thousand parameters."""

import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synth.errors import GeneratorError
from synth.generators import Request
from synth.io.images import content_hash
from synth.placing import surroundings
from synth.sample import Sample
from synth.seas import finish, plan
from synth.seas import models as room
from synth.seas.base import MICRO, build_untrained
from synth.seas.compose import neighbourhood
from synth.seas.config import SeasConfig
from synth.seas.edges import RIM
from synth.seas.finetune import load_finetuned
from synth.seas.finish import grained
from synth.seas.freedom import choose
from synth.seas.generator import SeasGenerator
from synth.seas.plan import Drawn, Start
from synth.seas.product import Product

SETTINGS = {
    "updates_per_defect": 1,
    "mask_updates_per_defect": 1,
    "windows_per_defect": 2,
    "batch": 2,
    "steps": 4,
    "draw_batch": 3,
    "mask_threshold": 0.2,
    "freedom": 0.8,
}
REQUESTS = [Request("plate", "dent", index) for index in range(3)]


def _plate(name: str, size: tuple[int, int], defect: str | None = None, colour: bool = False) -> Sample:
    rows, columns = np.indices(size)
    image = np.repeat((60 + 8 * ((rows + 2 * columns) % 7))[..., None], 3, axis=2).astype(np.uint8)
    image[..., 0] += 20 * colour
    mask = np.zeros(size, dtype=bool)
    if defect is not None:
        mask[5:14, 20:32] = True
        image[mask] = 230
    return Sample(id=name, image=image, mask=mask, product="plate", defect=defect, meta={"file": f"{name}.png"})


SHOTS = [_plate(f"s{i}", (37, 53), "dent") for i in range(4)]
GOOD_IMAGES = [_plate("g0", (37, 53)), _plate("g1", (300, 97)), _plate("g2", (64, 31))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the one fine-tuned model of this module lies; base models are MICRO."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "load_base", lambda _name: build_untrained(MICRO))
        place = tmp_path_factory.mktemp("models")
        SeasGenerator(SeasConfig(**SETTINGS), place, 0).fit(SHOTS, GOOD_IMAGES)
        yield place


def _open(folder: Path, good_images: list[Sample] = GOOD_IMAGES, **choices: object) -> SeasGenerator:
    """A fitted generator with other drawing choices; the model is taken as it lies on disk."""
    config = SeasConfig(**(SETTINGS | choices))
    generator = SeasGenerator(config, folder, 0)
    generator._products["plate"] = Product(SHOTS, good_images)
    generator._choices["plate"] = choose(config.freedom, ["dent"])
    return generator


@pytest.fixture(scope="module")
def drawn(folder: Path) -> list[Sample]:
    return _open(folder).draw(REQUESTS)


def test_fitting_again_takes_the_finished_model_and_draws_the_same(folder: Path, drawn: list[Sample]) -> None:
    generator = SeasGenerator(SeasConfig(**SETTINGS), folder, 0)
    generator.fit(SHOTS, GOOD_IMAGES)
    again = generator.draw(REQUESTS)
    for first, second in zip(drawn, again, strict=True):
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.mask, second.mask)


def test_a_sample_names_its_request_its_start_and_has_the_starts_size(drawn: list[Sample]) -> None:
    by_hash = {content_hash(good.image): good for good in GOOD_IMAGES}
    for request, sample in zip(REQUESTS, drawn, strict=True):
        start = by_hash[sample.provenance.start.sha256]
        assert sample.id == request.id
        assert sample.image.shape == start.image.shape
        assert np.array_equal(sample.provenance.start.image, start.image)
        assert sample.provenance.start.file == start.meta["file"]
        assert sample.provenance.seed == request.seed
        assert 0 <= sample.provenance.scores["freedom"] <= 0.8
        assert sample.meta["requested_mask"].any()


@pytest.mark.parametrize("mode", ["request", "predict"])
def test_away_from_the_mask_every_bit_is_the_good_parts(folder: Path, mode: str) -> None:
    samples = _open(folder, mask_mode=mode, freedom=1).draw(REQUESTS)
    assert any(sample.mask.any() for sample in samples)
    for sample in samples:
        reach = max(3.0, 0.02 * sample.provenance.window[2]) + RIM
        far = neighbourhood(sample.mask, reach) == 0
        assert np.array_equal(sample.image[far], sample.provenance.start.image[far])
        assert sample.mask.any() == (sample.image != sample.provenance.start.image).any()


def test_a_mask_stays_close_to_the_request(drawn: list[Sample]) -> None:
    for sample in drawn:
        near = ndimage.distance_transform_edt(~sample.meta["requested_mask"]) <= 0.15 * sample.provenance.window[2] + 2
        assert not (sample.mask & ~near).any()


def test_the_same_batch_is_bit_equal_and_alone_differs_by_the_last_float_bit(folder: Path, drawn: list[Sample]) -> None:
    generator = _open(folder)
    again, alone = generator.draw(REQUESTS), generator.draw(REQUESTS[1:2])[0]
    for first, second in zip(drawn, again, strict=True):
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.mask, second.mask)
    assert alone.id == drawn[1].id
    assert alone.provenance.window == drawn[1].provenance.window
    assert np.abs(alone.image.astype(int) - drawn[1].image).max() <= 1
    assert (alone.mask != drawn[1].mask).mean() < 0.001


def test_other_requests_give_other_defects(drawn: list[Sample]) -> None:
    assert len({sample.image.tobytes() for sample in drawn}) == 3
    assert len({sample.mask.tobytes() for sample in drawn}) == 3


def test_defects_of_grey_products_are_grey_and_those_of_coloured_ones_need_not_be(
    folder: Path, drawn: list[Sample]
) -> None:
    assert all((np.ptp(sample.image, axis=2) == 0).all() for sample in drawn)
    coloured = [_plate(f"g{i}", (37, 53), colour=True) for i in range(2)]
    sample = _open(folder, coloured).draw(REQUESTS[:1])[0]
    tint = sample.image[..., 0].astype(int) - sample.image[..., 1]
    assert len(np.unique(tint[sample.mask])) > 1


def test_masks_and_changes_stay_in_the_legal_region(folder: Path, tmp_path: Path) -> None:
    region = np.zeros((60, 40), dtype=np.uint8)
    region[:25] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    for sample in _open(folder, legal_region=tmp_path / "region.png").draw(REQUESTS):
        border = int(np.ceil(sample.image.shape[0] * 25 / 60))
        assert not sample.mask[border + 1 :].any()
        assert np.array_equal(sample.image[border + 1 :], sample.provenance.start.image[border + 1 :])


def test_a_legal_region_is_not_taken_for_the_part(folder: Path, tmp_path: Path) -> None:
    region = np.zeros((60, 40), dtype=np.uint8)
    region[:30, :20] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    requests = [Request("plate", "dent", index) for index in range(24)]
    everywhere, limited = (
        np.median([plan.draft.mask.sum() for plan in map(generator._plan, requests)])
        for generator in (_open(folder), _open(folder, legal_region=tmp_path / "region.png"))
    )
    assert limited > 0.6 * everywhere


def test_a_users_masks_are_drawn_under(folder: Path, tmp_path: Path) -> None:
    mask = np.zeros((40, 30), dtype=np.uint8)
    mask[10:20, 5:15] = 255
    (tmp_path / "dent").mkdir()
    Image.fromarray(mask).save(tmp_path / "dent" / "a.png")
    for sample in _open(folder, masks=tmp_path).draw(REQUESTS[:1]):
        height, width = sample.image.shape[:2]
        inner = sample.meta["requested_mask"][height // 4 + 1 : height // 2 - 1, width // 6 + 1 : width // 2 - 1]
        assert inner.all()
    with pytest.raises(GeneratorError, match="no mask in"):
        _open(folder, masks=tmp_path / "dent").draw(REQUESTS[:1])


def test_parity_draws_the_whole_square_from_noise_and_takes_the_mask_as_read(folder: Path) -> None:
    parity = {k: v for k, v in SETTINGS.items() if k not in ("steps",)} | {"steps": 5, "guidance": 2.0, "freedom": 1}
    sample = _open(folder, parity=True, **parity).draw(REQUESTS[:1])[0]
    assert sample.meta["requested_mask"] is None
    assert sample.provenance.window[2] == min(sample.image.shape[:2])
    assert (sample.image != sample.provenance.start.image).mean() > 0.3


def test_what_was_never_learnt_is_named(folder: Path) -> None:
    with pytest.raises(GeneratorError, match="no model of 'cup'"):
        _open(folder).draw([replace(REQUESTS[0], product="cup")])
    with pytest.raises(GeneratorError, match="no shot of 'hole'"):
        _open(folder).draw([replace(REQUESTS[0], defect="hole")])
    with pytest.raises(GeneratorError, match="there is no file"):
        SeasGenerator(SeasConfig(legal_region=folder / "absent.png"), folder, 0)


def test_without_freedom_the_shots_own_pixels_are_pasted_and_no_model_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys, pickle; from pathlib import Path\n"
        "from synth.seas.config import SeasConfig; from synth.seas.generator import SeasGenerator\n"
        "shots, good_images, requests = pickle.load(sys.stdin.buffer)\n"
        "generator = SeasGenerator(SeasConfig(freedom=0, base='absent'), Path(sys.argv[1]), 0)\n"
        "generator.check(shots, good_images, {'plate', 'dent'}); generator.fit(shots, good_images)\n"
        "heavy = {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "samples = generator.draw(requests); heavy |= {'torch', 'diffusers'} & set(sys.modules)\n"
        "assert not heavy, heavy; assert all(s.mask.any() for s in samples)\n"
        "assert {s.provenance.scores['freedom'] for s in samples} == {0.0}\n"
    )
    given = pickle.dumps((SHOTS, GOOD_IMAGES, REQUESTS))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_types_without_freedom_are_pasted_beside_drawn_ones_and_no_model_learns_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "load_base", lambda _name: build_untrained(MICRO))
    holes = [replace(_plate(f"h{i}", (37, 53), "hole")) for i in range(3)]
    config = SeasConfig(**(SETTINGS | {"freedom": {"dent": 0.5, "default": 0}}))
    generator = SeasGenerator(config, tmp_path, 0)
    generator.fit([*SHOTS, *holes], GOOD_IMAGES)
    assert list(load_finetuned(tmp_path / "plate").tokens.defects) == ["dent"]
    requests = [Request("plate", defect, index) for index in range(3) for defect in ("dent", "hole")]
    samples = generator.draw(requests)
    assert {s.provenance.scores["freedom"] for s in samples if s.defect == "hole"} == {0.0}
    assert {s.provenance.scores["freedom"] for s in samples if s.defect == "dent"} - {0.0}
    wrong = SeasGenerator(SeasConfig(freedom={"dnt": 0.3, "default": 0}), tmp_path, 0)
    with pytest.raises(GeneratorError, match=r"generator\.freedom: there is no .* 'dnt'"):
        wrong.check(SHOTS, GOOD_IMAGES, {"plate", "dent"})


def test_what_the_vae_loses_of_a_paste_is_not_lost_where_drawing_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(_models: room.Models, _product: str, starts: Sequence[Start]) -> list[Drawn]:
        decoded = [ndimage.gaussian_filter(start.begin.astype(np.float32), (3, 3, 0)) for start in starts]
        return [Drawn(image, image, None) for image in decoded]

    pasted = _open(folder, freedom=1e-6).draw(REQUESTS)
    monkeypatch.setattr(plan, "steps_taken", lambda _limit, _steps, rng, _least: (rng.uniform(), 2)[1])
    monkeypatch.setattr(room.Models, "draw", lossy)
    for before, after in zip(pasted, _open(folder, freedom=0.5).draw(REQUESTS), strict=True):
        assert (before.provenance.scores["freedom"], after.provenance.scores["freedom"]) == (0, 0.5)
        assert np.array_equal(before.mask, after.mask)
        assert np.array_equal(before.image, after.image)


def test_a_pastes_pixels_are_as_sharp_as_the_shots_whatever_the_vae_loses(folder: Path) -> None:
    sample = _open(folder, freedom=0).draw(REQUESTS[:1])[0]
    assert (sample.image[sample.mask] > 200).mean() > 0.8
    assert np.array_equal(sample.mask, sample.meta["requested_mask"])


def _long(folder: Path, tmp_path: Path, **choices: object) -> SeasGenerator:
    """Draws under a line of 240 px, on an image of 250 x 90."""
    line = np.zeros((250, 90), dtype=np.uint8)
    line[5:245, 40:43] = 255
    (tmp_path / "dent").mkdir(exist_ok=True)
    Image.fromarray(line).save(tmp_path / "dent" / "line.png")
    return _open(folder, [_plate("g0", (250, 90))], masks=tmp_path, **choices)


@pytest.mark.parametrize("freedom", [0.4, 0.8, 1.0])
def test_a_long_defect_is_drawn_in_several_windows_of_the_images_own_px(
    folder: Path, tmp_path: Path, freedom: float
) -> None:
    generator = _long(folder, tmp_path, freedom=freedom)
    plan = generator._plan(REQUESTS[0])
    assert len(plan.views) > 3
    assert {view.window.side for view in plan.views} == {generator._models.resolution("plate")}
    (sample,) = generator.draw(REQUESTS[:1])
    near = ndimage.distance_transform_edt(~plan.draft.mask) <= 0.08 * plan.views[0].window.side + 8
    assert np.array_equal(sample.image[~near], sample.provenance.start.image[~near])
    changed = (sample.image != sample.provenance.start.image).any(axis=(1, 2))
    assert all(part.any() for part in np.array_split(changed[5:245], 5))
    assert all(part.any() for part in np.array_split(sample.mask[5:245], 5))
    assert sample.provenance.window[2] >= 240


def test_what_is_drawn_of_a_long_defect_does_not_depend_on_its_batch(folder: Path, tmp_path: Path) -> None:
    generator = _long(folder, tmp_path)
    together, alone = generator.draw(REQUESTS)[1], generator.draw(REQUESTS[1:2])[0]
    assert np.abs(together.image.astype(int) - alone.image).max() <= 1
    assert (together.mask != alone.mask).mean() < 0.001


def test_windows_of_whole_squares_are_not_divided(folder: Path, tmp_path: Path) -> None:
    generator = _long(folder, tmp_path, freedom=1, mask_mode="predict")
    assert len(generator._plan(REQUESTS[0]).views) == 1


def test_a_large_and_faint_defect_is_drawn_below_the_images_own_grain() -> None:
    rng = np.random.default_rng(0)
    before = np.rint(rng.normal(120, 8, (200, 200, 1)).repeat(3, 2)).astype(np.uint8)
    rows, columns = np.indices((200, 200))
    mask = np.hypot(rows - 100, columns - 90) < 50
    smooth = np.where(mask[..., None], 108, before).astype(np.uint8)
    found = grained(before, smooth, mask)
    inner = ndimage.binary_erosion(mask, iterations=8)
    far = ndimage.distance_transform_edt(~mask) > 8
    assert found[inner].mean() == pytest.approx(108, abs=1.5)
    assert found[inner].std() == pytest.approx(8, rel=0.1)
    assert smooth[inner].std() < 1
    assert np.array_equal(found[far], before[far])
    assert np.array_equal(grained(before, before, np.zeros_like(mask)), before)


def test_whether_a_defect_is_faint_is_planned_with_it_and_heeded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(finish, "grained", lambda before, image, mask: seen.append(mask.shape) or image)
    for faint in (False, True):
        monkeypatch.setattr(
            surroundings,
            "_with_faint_ones",
            lambda shots, faint=faint: [replace(shot, crop=replace(shot.crop, faint=faint)) for shot in shots],
        )
        _open(folder).draw(REQUESTS[:2])
    assert len(seen) == 2
