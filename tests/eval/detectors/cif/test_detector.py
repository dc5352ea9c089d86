from __future__ import annotations

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors.cif.detector import CIF
from eval.detectors.cif.passing import update
from eval.detectors.cif.scoring import image_score, patch_scores
from eval.detectors.encoding import Encoded, Shape
from eval.features.network import FeatureMaps
from synth.errors import EvalError
from synth.sample import Sample
from tests.eval.detectors.cif.scenes import sample

SIZE, GRID = (88, 112), (11, 14)


def tile(name: str, seed: int, spot: bool = False) -> Sample:
    """A striped texture, with a bright spot or without."""
    rng = np.random.default_rng(seed)
    stripes = np.where(np.arange(75) // 15 % 2, 90, 160)[None, :, None]
    image = np.clip(stripes + rng.normal(0, 6, (60, 75, 3)), 0, 255).astype(np.uint8)
    mask = np.zeros((60, 75), bool)
    if spot:
        image[30:40, 40:50] = rng.integers(0, 255, (10, 10, 3))
        mask[30:40, 40:50] = True
    return Sample(id=name, image=image, mask=mask, defect="spot" if spot else None)


def encoded(seeds: list[int], spots: dict[str, tuple[int, int]], points: bool = True) -> Encoded:
    """A batch of features on the grid, each modality with a token that looks like nothing known where `spots` says.
    Without points, the clouds cover the foreground of the scene alone."""
    images, shapes, size = [], [], SIZE
    for seed in seeds:
        features = {}
        for modality, channels in (("image", 24), ("xyz", 9)):
            tokens, inside = sample(seed, channels)
            cells = tokens.T.unflatten(1, GRID).clone()
            if modality in spots:
                row, column = spots[modality]
                cells[:, row, column] += 3 * torch.randn(channels, generator=torch.Generator().manual_seed(5))
            features[modality] = cells
        images.append(features["image"])
        shapes.append(_shape(features["xyz"], inside if points else torch.zeros_like(inside)))
    maps = FeatureMaps([torch.stack(images)], torch.zeros(len(seeds), 1))
    names = [f"sample_{seed}" for seed in seeds]
    return Encoded(names, [None] * len(seeds), maps, shapes, size, [size] * len(seeds))


def _shape(cells: torch.Tensor, inside: torch.Tensor) -> Shape:
    mask = inside.view(GRID).repeat_interleave(8, 0).repeat_interleave(8, 1)
    place = mask.nonzero()
    return Shape(torch.full((len(place), 3), 0.5), place, cells)  # type: ignore[arg-type]


@pytest.fixture
def on_cells(monkeypatch):
    """Features of points are given on the grid."""

    def given(batch: Encoded, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        assert batch.shapes is not None
        there = torch.zeros(len(batch.shapes), *grid, dtype=torch.bool)
        for row, shape in enumerate(batch.shapes):
            there[row, shape.place[:, 0] // 8, shape.place[:, 1] // 8] = True
        return torch.stack([shape.features for shape in batch.shapes]), there  # type: ignore[misc]

    monkeypatch.setattr("eval.detectors.cif.detector.point_cells", given)


def fitted(modality: str, **params: object) -> CIF:
    detector = detectors.create("cif", modality=modality, **params)
    detector._learn(iter([only(encoded([0], {}), modality), only(encoded([1, 2], {}), modality)]))
    return detector  # type: ignore[return-value]


def only(batch: Encoded, modality: str) -> Encoded:
    return Encoded(
        batch.ids,
        batch.products,
        batch.maps if "image" in modality else None,
        batch.shapes if "xyz" in modality else None,
        batch.size,
        batch.sizes,
    )


@pytest.mark.parametrize("modality", ["image", "xyz", "image+xyz"])
@pytest.mark.usefixtures("on_cells")
def test_a_planted_cell_is_found_by_every_modality_and_lifts_the_score(modality):
    detector = fitted(modality)
    spots = {"image": (4, 6), "xyz": (4, 6)}
    good, bad = (detector._judge(only(encoded([9], one), modality)) for one in ({}, spots))
    assert bad.score > 10 * good.score
    row, column = divmod(int(bad.maps[0].argmax()), SIZE[1])
    assert abs(row - 36) < 9
    assert abs(column - 52) < 9
    assert sorted(bad.parts) == modality.split("+")
    torch.testing.assert_close(torch.stack(list(bad.parts.values())).prod(0), bad.score)


@pytest.mark.usefixtures("on_cells")
def test_with_clouds_the_background_counts_for_nothing_unless_all_is_foreground():
    spots = {"image": (0, 3), "xyz": (0, 3)}
    batch = encoded([9], spots)
    masked, everything = (fitted("image+xyz", foreground=kind) for kind in ("valid", "all"))
    assert torch.equal(masked._judge(batch).score, masked._judge(encoded([9], {})).score)
    assert everything._judge(batch).score > 10 * masked._judge(batch).score


@pytest.mark.usefixtures("on_cells")
def test_a_sample_without_foreground_scores_zero_and_learning_from_such_alone_is_an_error():
    found = fitted("image+xyz")._judge(encoded([9], {"image": (4, 6)}, points=False))
    assert found.score == 0
    assert (found.maps == 0).all()
    with pytest.raises(EvalError, match="foreground"):
        detectors.create("cif", modality="xyz")._learn(iter([only(encoded([0], {}, points=False), "xyz")]))


@pytest.mark.usefixtures("on_cells")
def test_the_foreground_of_surface_is_what_stands_off_the_table():
    detector = detectors.create("cif", modality="xyz", foreground="surface")
    batch = only(encoded([0], {}), "xyz")
    place = torch.ones(SIZE, dtype=torch.bool).nonzero()
    height = ((place[:, 0] // 8 == 5) & (place[:, 1] // 8 == 7)).float() * 0.02
    points = torch.stack([height, height, 0.5 - height], dim=1)
    shape = Shape(points, place, batch.shapes[0].features)
    tokens = next(detector._tokens(Encoded(["a"], [None], None, [shape], SIZE, [SIZE])))
    assert tokens.graph.foreground.view(GRID).nonzero().tolist() == [[5, 7]]


@pytest.mark.usefixtures("on_cells")
def test_a_cell_without_features_of_points_is_background(monkeypatch):
    batch = only(encoded([0], {}), "xyz")
    there = torch.ones(1, *GRID, dtype=torch.bool)
    there[0, 5, 7] = False
    cells = batch.shapes[0].features[None]
    monkeypatch.setattr("eval.detectors.cif.detector.point_cells", lambda *_: (cells, there))
    found = next(detectors.create("cif", modality="xyz")._tokens(batch)).graph.foreground.view(GRID)
    assert not found[5, 7]
    assert found[1:-1, 1:-1].sum() == 9 * 12 - 1


def test_the_image_score_is_weighted_by_the_token_before_the_messages():
    detector = fitted("image", layers=2, keep=0.2)
    tokens = next(detector._tokens(only(encoded([9], {"image": (4, 6)}), "image")))
    own, memory = tokens.by_modality["image"], detector._memories["image"]
    patches = patch_scores(update(own, tokens.graph, memory, 2, 0.2), tokens.graph, memory)
    score = detector._search(tokens, "image")[1]
    assert score == image_score(patches, own, memory)
    assert score != image_score(patches, update(own, tokens.graph, memory, 2, 0.2), memory)


@pytest.mark.usefixtures("on_cells")
def test_a_result_does_not_depend_on_the_batch_and_stays_through_state_and_restore():
    detector = fitted("image+xyz")
    spots = {"xyz": (4, 6)}
    whole = detector._judge(encoded([7, 8, 9], spots))
    again = detectors.create("cif", modality="image+xyz")
    again.restore({key: value.clone() for key, value in detector.state().items()})
    for row, seed in enumerate([7, 8, 9]):
        alone = again._judge(encoded([seed], spots))
        torch.testing.assert_close(alone.score[0], whole.score[row], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(alone.maps[0], whole.maps[row], rtol=1e-4, atol=1e-5)


def test_one_good_image_is_enough_to_rank_a_spot_first_and_to_be_saved(tmp_path):
    detector = detectors.create("cif", features="random", side=64)
    detector.fit([tile("good", 0)])
    tested = [tile("a", 1), tile("b", 2, spot=True), tile("c", 3)]
    found = detector.predict(tested)
    assert found.score.argmax() == 1
    assert found.anomaly_map[1].shape == (60, 75)
    assert found.anomaly_map[1][30:40, 40:50].mean() > 3 * found.anomaly_map[1][:20].mean()
    detector.save(tmp_path / "saved")
    again = detectors.load(tmp_path / "saved").predict(tested)
    assert np.array_equal(again.score, found.score)
    assert all(np.array_equal(one, other) for one, other in zip(again.anomaly_map, found.anomaly_map, strict=True))


def test_the_published_settings_are_presets():
    settings = {name: detectors.create(f"cif/{name}", features="random").config for name in PUBLISHED}
    assert {name: (one.edges, one.modality, one.foreground) for name, one in settings.items()} == PUBLISHED
    assert all((one.layers, one.keep, one.top_edges) == (1, 0.9, 3) for one in settings.values())


PUBLISHED = {
    "mvtec3d": (4, "image+xyz", "surface"),
    "eyecandies": (8, "image+xyz", "valid"),
    "mvtec": (4, "image", "valid"),
}
