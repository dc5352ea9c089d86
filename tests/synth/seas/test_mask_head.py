import torch
from torch import nn

from synth.seas.base import SD15, _build_unet, _build_vae
from synth.seas.features import FeatureChannels, decoder_features, feature_channels
from synth.seas.mask_head import MaskHead, MaskLogits
from synth.seas.mask_training import build_mask_head, mask_loss


class _Bare:
    """A pipeline's U-Net and VAE without weights."""

    def __init__(self, arch):
        with torch.device("meta"):
            self.unet, self.vae = _build_unet(arch), _build_vae(arch)


def _features(channels, batch, side, seed=0):
    rng = torch.Generator().manual_seed(seed)
    low = torch.randn(batch, channels.low, side // 2, side // 2, generator=rng)
    mid = torch.randn(batch, channels.mid, side, side, generator=rng)
    sizes = [(c, side * 2 ** (k + 1)) for k, c in enumerate(channels.decoder)]
    return low, mid, [torch.randn(batch, c, s, s, generator=rng) for c, s in sizes]


def test_full_size_stable_diffusion_gives_the_published_channels_and_size():
    channels = feature_channels(_Bare(SD15))
    assert channels == FeatureChannels(low=1280, mid=640, decoder=(512, 512, 256))
    with torch.device("meta"):
        head = MaskHead(channels)
        low, mid = torch.empty(4, 1280, 32, 32), torch.empty(4, 640, 64, 64)
        decoder = [torch.empty(2, c, s, s) for c, s in [(512, 128), (512, 256), (256, 512)]]
        logits = head(low, mid, decoder)
    assert head.head[-1].in_channels == 192
    assert logits.full.shape == (4, 2, 512, 512)
    assert logits.coarse.shape == (4, 2, 64, 64)
    assert 5e6 < sum(p.numel() for p in head.parameters()) < 6.5e6


def test_the_mask_is_as_large_as_the_image_for_any_base_and_batch(pipeline):
    head = build_mask_head(pipeline)
    channels = feature_channels(pipeline)
    for batch, refined in [(1, 1), (2, 2), (3, 1)]:
        low, mid, decoder = _features(channels, batch, 8)
        logits = head(low, mid, [v[:refined] for v in decoder])
        assert logits.full.shape == (batch, 2, 32, 32)
        assert logits.coarse.shape == (batch, 2, 8, 8)
        assert logits.probability.shape == (batch, 32, 32)


def test_features_of_the_pipeline_fit_its_head(pipeline):
    latents = torch.randn(2, pipeline.unet.config.in_channels, 8, 8)
    decoder = decoder_features(pipeline.vae, latents)
    assert [tuple(v.shape) for v in decoder] == [
        (2, c, 16 * 2**k, 16 * 2**k) for k, c in enumerate(feature_channels(pipeline).decoder)
    ]


def test_decoder_features_are_those_of_the_decoder_itself(pipeline):
    seen = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, output: seen.append(output))
        for block in pipeline.vae.decoder.up_blocks
    ]
    latents = torch.randn(1, pipeline.unet.config.in_channels, 8, 8)
    pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor)
    for hook in hooks:
        hook.remove()
    ours = decoder_features(pipeline.vae, latents)
    assert len(ours) == len(seen) - 1
    assert all(torch.equal(a, b) for a, b in zip(ours, seen, strict=False))


def test_a_mask_does_not_depend_on_its_batch_mates_or_on_training_mode(pipeline):
    head = build_mask_head(pipeline)
    channels = feature_channels(pipeline)
    low, mid, decoder = _features(channels, 3, 8)
    together = head(low, mid, decoder).full
    alone = head.eval()(low[1:2], mid[1:2], [v[1:2] for v in decoder]).full
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    assert not [m for m in head.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_equal_seeds_start_equal_heads(pipeline):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, two, other = build_mask_head(pipeline, 1), build_mask_head(pipeline, 1), build_mask_head(pipeline, 2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.low.weight, other.low.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_right_masks_cost_least_and_good_windows_count_as_empty():
    masks = torch.zeros(1, 8, 12)
    masks[0, 2:5, 4:10] = 1
    small = torch.nn.functional.max_pool2d(masks, 4)

    def cost(full, coarse, good):
        """Of confident logits: of the defective window by the masks, of the good one alike everywhere."""
        scores = [torch.cat([m, good * torch.ones_like(m)]) * 8 - 4 for m in (full, coarse)]
        return mask_loss(MaskLogits(*(torch.stack([-s, s], dim=1) for s in scores)), masks)

    right = cost(masks, small, good=0)
    assert right.shape == (2,)
    assert (right < 1e-3).all()
    assert cost(1 - masks, small, good=0)[0] > 1
    assert cost(masks, 1 - small, good=0)[0] > 1
    assert cost(masks, small, good=1)[1] > 1


def test_a_head_learns_a_mask_it_can_see(pipeline):
    """Every part of the head gets a gradient, and some steps halve the loss."""
    head = build_mask_head(pipeline)
    low, mid, decoder = _features(feature_channels(pipeline), 4, 8)
    masks = (decoder[-1][:2, 0] > 0.5).float()
    seen = [v[:2] for v in decoder]
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3)
    losses = []
    for _ in range(20):
        loss = mask_loss(head(low, mid, seen), masks).mean()
        loss.backward()
        assert all(p.grad is not None for p in head.parameters())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
