import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from scipy.special import expit

from synth.seas.base import build_scheduler
from synth.seas.losses import (
    alignment_loss,
    decoupled_alignment,
    focal_loss,
    min_snr_weight,
    noise_loss,
    noise_target,
    shrink_masks,
    stretch,
)


def _mask(side, rows, columns):
    mask = torch.zeros(1, side, side)
    mask[0, rows, columns] = 1
    return mask


@pytest.mark.parametrize("over", ["sample", "batch"])
def test_maps_that_equal_the_mask_and_its_complement_cost_nothing(over):
    mask = _mask(6, slice(1, 3), slice(2, 5)).repeat(2, 1, 1)
    loss = alignment_loss(0.01 + 0.2 * mask, 0.3 - 0.3 * mask, mask, over)
    assert torch.allclose(loss, torch.zeros(2), atol=1e-7)


def test_the_published_form_on_a_case_worked_out_by_hand():
    """Two samples of 2 x 2, one pixel half covered. Batch-wide range of A_df: 0 .. 4, of A_ob: 0 .. 2.

    A_df / 4 - M = [[1/4-1, 0-1/2], [0, 0]] and [[0, 1/2-1], [1-1, 3/4]]: squares 9/16, 1/4 | 1/4, 9/16 -> 13/64.
    A_ob / 2 where M = 1, so not on the half: 1/2 | 1, 0 -> squares 1/4 + 1 + 0 over 3 pixels of the batch = 5/12."""
    masks = torch.tensor([[[1.0, 0.5], [0, 0]], [[0, 1], [1, 0]]])
    defect = torch.tensor([[[1.0, 0], [0, 0]], [[0, 2], [4, 3]]])
    product = torch.tensor([[[1.0, 2], [2, 0]], [[1, 2], [0, 0]]])
    assert alignment_loss(defect, product, masks, "batch").mean().item() == pytest.approx(13 / 64 + 5 / 12, rel=1e-6)


def test_ours_on_the_same_case_stretches_every_map_alone():
    """A_df: sample 1 is its mask; sample 2 stays at 0 .. 4 -> (1/4 + 9/16) / 4. A_ob: 0 .. 2 in both:
    1/4 over one pixel; (1 + 0) / 2 over two."""
    masks = torch.tensor([[[1.0, 0], [0, 0]], [[0, 1], [1, 0]]])
    defect = torch.tensor([[[1.0, 0], [0, 0]], [[0, 2], [4, 3]]])
    product = torch.tensor([[[1.0, 2], [2, 0]], [[1, 2], [0, 0]]])
    wanted = [0 + 1 / 4, 13 / 64 + 1 / 2]
    assert alignment_loss(defect, product, masks).tolist() == pytest.approx(wanted, rel=1e-5)


def test_a_sample_does_not_feel_its_batch_mates():
    rng = torch.Generator().manual_seed(3)
    maps = torch.rand(2, 3, 5, 5, generator=rng)
    masks = (torch.rand(3, 5, 5, generator=rng) > 0.7).float()
    together = alignment_loss(*maps, masks)
    alone = torch.cat([alignment_loss(*maps[:, i : i + 1], masks[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone)


@pytest.mark.parametrize("over", ["sample", "batch"])
def test_flat_maps_and_empty_masks_stay_finite(over):
    defect = torch.full((2, 4, 4), 0.25, requires_grad=True)
    product = torch.full((2, 4, 4), 0.25, requires_grad=True)
    loss = alignment_loss(defect, product, torch.zeros(2, 4, 4), over).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(defect.grad).all()
    assert torch.isfinite(product.grad).all()


@pytest.mark.parametrize("side", [8, 16])
def test_one_pixel_survives_ours_at_every_place_and_the_published_pyramid_loses_it(side):
    kept = {"max": 0, "bilinear": 0}
    for row, column in np.random.default_rng(0).integers(0, 128, (40, 2)).tolist():
        mask = _mask(128, row, column)
        for how in kept:
            kept[how] += int(shrink_masks(mask, side, 16, how).amax() == 1)
    assert kept == {"max": 40, "bilinear": 0}


def test_the_published_pyramid_keeps_a_large_mask_in_place():
    small = shrink_masks(_mask(64, slice(16, 48), slice(0, 32)), 4, 16, "bilinear")
    assert torch.equal(small, _mask(4, slice(1, 3), slice(0, 2)))


def test_all_levels_count_and_tokens_are_averaged():
    mask = _mask(8, slice(0, 4), slice(0, 4))
    one, two = torch.rand(1, 4, 4, 3), torch.rand(1, 2, 2, 3)
    both = decoupled_alignment([one, two], 1, mask, 8, "max", "sample")
    by_hand = sum(
        alignment_loss(maps[..., 1:].mean(-1), maps[..., 0], shrink_masks(mask, maps.shape[1], 8, "max"))
        for maps in (one, two)
    )
    assert torch.allclose(both, by_hand)


def test_stretched_maps_run_from_zero_to_one():
    maps = 1e-3 * torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(1)) + 7
    maps = stretch(maps.double(), "sample")
    assert torch.allclose(maps.amin((1, 2)), torch.zeros(3).double())
    assert torch.allclose(maps.amax((1, 2)), torch.ones(3).double(), atol=2e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_target_and_the_noisy_latents_give_back_the_clean_ones(kind):
    from synth.seas.features import clean_latents

    scheduler, rng = build_scheduler(kind), torch.Generator().manual_seed(2)
    clean, noise = torch.randn(2, 3, 4, 5, 7, generator=rng)
    steps = torch.tensor([0, 400, 950])
    noisy = scheduler.add_noise(clean, noise, steps)
    target = noise_target(scheduler, clean, noise, steps)
    assert torch.allclose(clean_latents(scheduler, noisy, target, steps), clean, atol=1e-3)


def test_errors_of_either_prediction_count_the_same_under_all_noise_and_less_where_there_is_hardly_any():
    """Errors d of z_0 appear as snr d^2 in the noise and as (snr + 1) d^2 in the velocity."""
    steps = torch.tensor([5, 300, 700, 999])
    noise_scheduler = build_scheduler("epsilon")
    velocity_scheduler = DDPMScheduler.from_config(noise_scheduler.config, prediction_type="v_prediction")
    kept = noise_scheduler.alphas_cumprod[steps]
    snr = kept / (1 - kept)
    noise = min_snr_weight(noise_scheduler, steps, 5.0) * snr
    velocity = min_snr_weight(velocity_scheduler, steps, 5.0) * (snr + 1)
    assert torch.allclose(noise, snr.clamp(max=5))
    assert torch.allclose(velocity, snr.clamp(max=5) + 1)
    assert torch.equal(min_snr_weight(noise_scheduler, steps, 0), torch.ones(4))


def test_focal_loss_is_the_formula():
    logits = torch.tensor([[[[0.0, 2.0]], [[1.0, -1.0]]]])  # (1, 2, 1, 2)
    labels = torch.tensor([[[True, False]]])
    p = np.array([expit(1.0), expit(3.0)])  # of the right class
    assert focal_loss(logits, labels).item() == pytest.approx(float((-((1 - p) ** 2) * np.log(p)).mean()), rel=1e-5)


def test_weighted_latents_count_in_proportion_and_even_weights_change_nothing():
    guess, target, weight = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2), torch.tensor([1.0, 0.5])
    guess[0, :, 0, 0] = 3.0  # squares: 4 there, 1 elsewhere
    cells = torch.ones(2, 2, 2)
    assert torch.allclose(noise_loss(guess, target, weight, 7 * cells), noise_loss(guess, target, weight))
    cells[0, 0, 0] = 4.0
    assert torch.allclose(noise_loss(guess, target, weight, cells), torch.tensor([(4 * 4 + 3) / 7, 0.5]))
