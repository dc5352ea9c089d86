import pytest
import torch

from synth.seas.attention import aligned_layers, captured_maps
from synth.seas.base import SD15, _build_unet

COLUMNS = [2, 4, 5, 6]


def _inputs(unet, batch=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    latents = torch.randn(batch, unet.config.in_channels, 8, 8, generator=rng)
    text = torch.randn(batch, 16, unet.config.cross_attention_dim, generator=rng)
    return latents, torch.arange(batch) * 100, text


def _attention_inputs(unet, name, run):
    """The hidden states and text that the layer saw, by a hook."""
    layer, seen = unet.get_submodule(name.removesuffix(".processor")), {}

    def keep(_module, args, kwargs):
        seen["hidden"], seen["text"] = args[0], kwargs["encoder_hidden_states"]

    hook = layer.register_forward_pre_hook(keep, with_kwargs=True)
    run()
    hook.remove()
    return layer, seen["hidden"], seen["text"]


def test_full_size_stable_diffusion_is_read_at_32_and_16():
    with torch.device("meta"):
        layers = aligned_layers(_build_unet(SD15))
    assert layers == [
        f"down_blocks.{b}.attentions.{i}.transformer_blocks.0.attn2.processor" for b in (1, 2) for i in (0, 1)
    ]


@pytest.mark.parametrize("axis", ["pixel", "token"])
def test_maps_are_the_softmax_of_the_layers_own_scores(pipeline, axis):
    unet = pipeline.unet
    latents, steps, text = _inputs(unet)
    with captured_maps(unet, 2, COLUMNS, axis) as maps:
        name = aligned_layers(unet)[0]
        layer, hidden, seen_text = _attention_inputs(unet, name, lambda: unet(latents, steps, text))
    query, key = layer.to_q(hidden[:2]), layer.to_k(seen_text[:2])
    heads = zip(query.chunk(layer.heads, -1), key.chunk(layer.heads, -1), strict=True)
    longhand = [((q @ k.transpose(1, 2)) / q.shape[-1] ** 0.5).softmax(1 if axis == "pixel" else 2) for q, k in heads]
    wanted = torch.stack(longhand).mean(0)[..., COLUMNS].unflatten(1, (8, 8))
    assert torch.allclose(maps.by_layer[name], wanted, atol=1e-6)


def test_levels_come_finest_first_and_pixel_maps_sum_to_one(pipeline):
    latents, steps, text = _inputs(pipeline.unet)
    with captured_maps(pipeline.unet, 3, COLUMNS, "pixel") as maps:
        pipeline.unet(latents, steps, text)
    levels = maps.levels()
    assert [tuple(level.shape) for level in levels] == [(3, 8, 8, 4), (3, 4, 4, 4)]
    for level in levels:
        assert torch.allclose(level.sum((1, 2)), torch.ones(3, 4))


def test_capturing_changes_no_output_and_leaves_no_trace(pipeline):
    unet = pipeline.unet
    latents, steps, text = _inputs(unet)
    plain, stock = unet(latents, steps, text).sample, dict(unet.attn_processors)
    with captured_maps(unet, 2, COLUMNS, "pixel"):
        assert torch.equal(unet(latents, steps, text).sample, plain)
    assert unet.attn_processors == stock


def test_the_loss_reaches_queries_and_keys_of_exactly_the_aligned_layers(pipeline):
    unet = pipeline.unet
    latents, steps, text = _inputs(unet)
    latents.requires_grad_()
    text.requires_grad_()
    with captured_maps(unet, 2, COLUMNS, "pixel") as maps:
        unet(latents, steps, text)
        sum(level.square().sum() for level in maps.levels()).backward()
    reached = {name for name, p in unet.named_parameters() if "attn2.to_k" in name and p.grad is not None}
    assert reached == {n.replace("processor", "to_k.weight") for n in aligned_layers(unet)}
    queries = [unet.get_parameter(n.replace("processor", "to_q.weight")).grad for n in aligned_layers(unet)]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in queries)
    # only the captured half: the other samples are not even read
    assert latents.grad[:2].abs().sum() > 0
    assert latents.grad[2:].abs().sum() == 0
    assert text.grad[2:].abs().sum() == 0


@pytest.mark.parametrize("lora", [False, True])
def test_recomputed_activations_give_the_same_gradients(new_pipeline, lora):
    grads = []
    for recompute in (False, True):
        unet = new_pipeline().unet
        unet.train()
        if lora:
            peft = pytest.importorskip("peft")
            unet.requires_grad_(False)
            torch.manual_seed(0)
            unet.add_adapter(peft.LoraConfig(r=2, init_lora_weights="gaussian", target_modules=["to_q", "to_k"]))
        if recompute:
            unet.enable_gradient_checkpointing()
        with captured_maps(unet, 2, COLUMNS, "pixel") as maps:
            output = unet(*_inputs(unet)).sample
            loss = output.square().mean() + sum(level.square().sum() for level in maps.levels())
            loss.backward()
        grads.append({name: p.grad for name, p in unet.named_parameters() if p.grad is not None})
    plain, recomputed = grads
    assert plain.keys() == recomputed.keys()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)
