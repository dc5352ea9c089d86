"""Vision transformers that are built and saved here: DINO (ViT), DINOv2 with and without registers, DINOv3."""

import json
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from eval import features
from synth.errors import EvalError

KINDS = {"ViT": 1, "Dinov2": 1, "Dinov2WithRegisters": 5, "DINOv3ViT": 5}
"""Class -> tokens that are no cells."""
SMALL = {"hidden_size": 24, "num_hidden_layers": 5, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
SETTINGS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3], "size": {"height": 32, "width": 32}}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Kind -> (folder, model) with weights that are random everywhere."""
    import transformers

    made = {}
    for kind, skipped in KINDS.items():
        registers = {"num_register_tokens": skipped - 1} if skipped > 1 else {}
        config = getattr(transformers, f"{kind}Config")(**SMALL, **registers, intermediate_size=48)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            model = getattr(transformers, f"{kind}Model")(config).eval()
            for value in model.parameters():
                value.data.add_(0.1 * torch.randn_like(value))
        folder = tmp_path_factory.mktemp("networks") / kind
        model.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
        made[kind] = folder, model
    return made


def stock(model, pixels):
    """What transformers itself makes of normalised pixels: (B, tokens, C)."""
    mean, deviation = (torch.tensor(SETTINGS[key])[:, None, None] for key in ("image_mean", "image_std"))
    extra = {"interpolate_pos_encoding": True} if type(model).__name__ == "ViTModel" else {}
    with torch.inference_mode():
        return model((pixels - mean) / deviation, **extra).last_hidden_state


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_block_is_the_last_hidden_state_without_class_and_register_tokens(kind, size, built):
    folder, model = built[kind]
    network = features.create(str(folder), levels=[4])
    pixels = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = network.maps(pixels)
    wanted = stock(model, pixels)
    rows, columns = size[0] // 8, size[1] // 8
    cells = maps.levels[0].flatten(2).transpose(1, 2)
    assert maps.levels[0].shape == (2, 24, rows, columns)
    assert torch.allclose(cells, wanted[:, KINDS[kind] :], atol=1e-5)
    assert torch.allclose(maps.whole, wanted[:, 0], atol=1e-5)
    assert (network.name, network.side, network.multiple) == (kind, 32, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_is_its_raw_output_under_the_final_norm(kind, built):
    folder, model = built[kind]
    norm = model.norm if kind == "DINOv3ViT" else model.layernorm
    pixels = torch.rand(1, 3, 32, 32)
    raw = []
    parts = [part for part in model.modules() if type(part).__name__ == f"{kind}Layer"]
    hooks = [part.register_forward_hook(lambda _part, _in, output: raw.append(output)) for part in parts]
    stock(model, pixels)
    for hook in hooks:
        hook.remove()
    network = features.create(str(folder), levels=[0, 2, 4])
    with torch.inference_mode():
        found = network.maps(pixels).levels
        for level, block in zip(found, (0, 2, 4), strict=True):
            wanted = norm(raw[block])[:, KINDS[kind] :]
            assert torch.allclose(level.flatten(2).transpose(1, 2), wanted, atol=1e-5)
            mean, deviation = F.layer_norm(raw[block], (24,)).std(), wanted.std()
            assert mean > 0.5
            assert deviation > 0


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_are_not_used_are_not_loaded_and_thirds_are_the_usual_choice(kind, built):
    folder, _ = built[kind]
    first = features.create(str(folder), levels=[0])
    usual = features.create(str(folder))
    pixels = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(
            features.create(str(folder), levels=[0, 4]).maps(pixels).levels[0], first.maps(pixels).levels[0], atol=1e-6
        )
        assert len(usual.maps(pixels).levels) == 3
    assert first.identity != usual.identity
    with pytest.raises(EvalError, match=f"^{kind}: levels are \\[5\\], wanted one or more blocks from 0 to 4"):
        features.create(str(folder), levels=[5])


def test_the_thirds_of_twelve_blocks_are_those_of_the_published_methods(tmp_path):
    from transformers import ViTConfig, ViTModel

    ViTModel(ViTConfig(**SMALL | {"num_hidden_layers": 12}, intermediate_size=8)).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    assert features.create(str(tmp_path)).identity == features.create(str(tmp_path), levels=[3, 7, 11]).identity


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("ViT", "encoder.layer.0.attention.attention.query.weight"),
        ("Dinov2", "encoder.layer.0.attention.attention.query.weight"),
        ("DINOv3ViT", "layer.0.attention.q_proj.weight"),
    ],
)
def test_what_these_tests_load_has_the_keys_of_the_files_on_the_hub(kind, key, built):
    assert key in load_file(built[kind][0] / "model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_a_pooler_or_a_mask_token_will_do_and_one_without_a_block_will_not(kind, built, tmp_path):
    folder, model = built[kind]
    weights = load_file(folder / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    save_file(
        {k: v for k, v in weights.items() if "pooler" not in k and "mask_token" not in k},
        tmp_path / "model.safetensors",
    )
    pixels = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(features.create(str(tmp_path)).maps(pixels).whole, stock(model, pixels)[:, 0], atol=1e-5)
    save_file({k: v for k, v in weights.items() if ".1." not in k}, tmp_path / "model.safetensors")
    with pytest.raises(EvalError, match=r"model\.safetensors lacks the weights"):
        features.create(str(tmp_path))


def test_an_image_that_patches_do_not_fill_is_refused_by_the_patch_size_in_the_config(built, tmp_path):
    folder, _ = built["ViT"]
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | {"patch_size": [8, 8]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EvalError, match=r"config\.json: patch_size is"):
        features.create(str(tmp_path))


def test_a_hub_id_without_a_network_is_one_clear_error(monkeypatch):
    def refused(*_args, **_kwargs):
        raise OSError("no network here")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        EvalError, match=r"no network 'someone/dino-none': no such folder or Hub repository \(.+\); give"
    ):
        features.create("someone/dino-none")
