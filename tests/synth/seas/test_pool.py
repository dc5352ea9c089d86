import numpy as np
import pytest
import torch

from synth.sample import Sample
from synth.seas.config import SeasConfig, SeasSettings
from synth.seas.pool import Batch, build_pool, draw_batch, encode
from synth.seas.updates import stream

DEFECTS = ("dent", "scratch")


def _config(**changes) -> SeasSettings:
    return SeasConfig(**{"windows_per_defect": 6, **changes}).resolved(unet_parameters=1000, resolution=32)


@pytest.fixture
def pool(pipeline, shots, good_images):
    return build_pool(pipeline.vae, shots, good_images, DEFECTS, _config(), seed=4)


def test_every_type_has_its_share_and_every_window_its_defect(pool):
    assert pool.types.tolist() == [0] * 6 + [1] * 6
    assert pool.masks.shape == (12, 32, 32)
    assert (pool.masks.amax((1, 2)) == 255).all()
    assert pool.defective.shape == pool.good.shape
    assert pool.defective.shape[:2] == (12, 2)


def test_equal_seeds_give_equal_pools_and_others_do_not(pipeline, shots, good_images, pool):
    again, other = (build_pool(pipeline.vae, shots, good_images, DEFECTS, _config(), seed) for seed in (4, 5))
    assert all(torch.equal(a, b) for a, b in zip(pool.tensors().values(), again.tensors().values(), strict=True))
    assert not torch.equal(pool.defective, other.defective)


def test_an_image_and_its_mask_are_turned_and_mirrored_together(pipeline, shots, good_images, monkeypatch):
    """The mark is brighter than anything else, so the mask must lie where the window is bright."""
    seen = []

    def keep(_vae, images):
        seen.append(images)
        return torch.zeros(len(images))

    monkeypatch.setattr("synth.seas.pool.encode", keep)
    pool = build_pool(pipeline.vae, shots[:1], good_images, ("dent",), _config(windows_per_defect=16), seed=0)
    images, masks = np.concatenate(seen[::2])[..., 0].astype(float), pool.masks.numpy() > 0
    inside = [image[mask].mean() for image, mask in zip(images, masks, strict=True)]
    outside = [image[~mask].mean() for image, mask in zip(images, masks, strict=True)]
    assert min(inside) > 180
    assert max(outside) < 120


@pytest.mark.parametrize("parity", [True, False])
def test_masks_without_zoom_hold_the_defect(pipeline, shots, good_images, parity):
    config = _config(parity=parity, zoom=False, windows_per_defect=2, rotate=False, flip=False)
    pool = build_pool(pipeline.vae, shots, good_images, DEFECTS, config, seed=0)
    assert (pool.masks > 0).sum((1, 2)).min() > 20
    soft = ((pool.masks > 0) & (pool.masks < 255)).any()
    assert bool(soft) == parity
    assert (pool.masks.amax((1, 2)) == 255).all()


def test_a_batch_depends_on_its_stream_alone(pool):
    one, two, other = (draw_batch(pool, 3, 1000, 0.18, stream(7, "x", u, 0)) for u in (1, 1, 2))
    assert torch.equal(one.latents, two.latents)
    assert torch.equal(one.timesteps, two.timesteps)
    assert not torch.equal(one.noise, other.noise)
    assert one.latents.shape[0] == 6
    assert one.timesteps.max() < 1000
    assert one.masks.amax() == 1


def test_a_focus_draws_low_noise_levels_more_often(pool):
    even, low = (draw_batch(pool, 400, 1000, 0.18, stream(3), focus).timesteps.float() / 1000 for focus in (1, 2))
    assert even.mean() == pytest.approx(1 / 2, abs=0.03)
    assert low.mean() == pytest.approx(1 / 3, abs=0.03)
    assert 0 <= low.min() < low.max() < 1


def test_the_parts_of_all_processes_make_up_the_batch(pool):
    batch = draw_batch(pool, 4, 1000, 0.18, stream(0))
    parts = [batch.part(rank, 2) for rank in range(2)]
    assert isinstance(parts[0], Batch)
    assert sorted(torch.cat([p.timesteps for p in parts]).tolist()) == sorted(batch.timesteps.tolist())
    for part in parts:
        assert len(part.latents) == 2 * len(part.masks) == 4
        for k, mask in enumerate(part.masks):
            whole = next(i for i in range(4) if torch.equal(batch.latents[i], part.latents[k]))
            assert torch.equal(batch.masks[whole], mask)
            assert batch.types[whole] == part.types[k]


def test_latents_have_the_moments_of_the_encoder(pipeline):
    images = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    moments = encode(pipeline.vae, images)
    alone = pipeline.vae.encode(torch.from_numpy(images[4:]).permute(0, 3, 1, 2) / 127.5 - 1).latent_dist
    assert torch.allclose(moments[4, 0], alone.mean[0], atol=1e-5)
    assert torch.allclose(moments[4, 1], alone.std[0], atol=1e-5)


@pytest.mark.parametrize(("mode", "finely"), [("request", True), ("predict", False)])
def test_a_long_defect_is_learnt_in_windows_as_it_is_drawn_in_and_as_it_lies(pipeline, monkeypatch, mode, finely):
    """The line is 3 px wide and level: 3 of 32 rows of a window in the image's own px, and all columns."""
    mask = np.zeros((60, 300), dtype=bool)
    mask[30:33, 4:296] = True
    image = np.where(mask, 230, 90)[..., None].repeat(3, axis=2).astype(np.uint8)
    shot = Sample(id="s", image=image, mask=mask, product="plate", defect="scratch", meta={"file": "s.png"})
    good = Sample(id="g", image=np.full_like(image, 90), mask=None, product="plate", meta={"file": "g.png"})
    monkeypatch.setattr("synth.seas.pool.encode", lambda _vae, images: torch.zeros(len(images)))
    config = _config(windows_per_defect=12, mask_mode=mode, freedom=1)
    masks = build_pool(pipeline.vae, [shot], [good], ("scratch",), config, seed=0).masks.numpy() > 0
    crossed = [mask.all(axis=1).sum() for mask in masks if mask.all(axis=1).any()]
    assert (len(crossed) > 6 and set(crossed) == {3} and not masks.all(axis=1).any()) == finely
