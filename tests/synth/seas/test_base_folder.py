"""A base folder that somebody else made: whatever is wrong with it is one GeneratorError that names the file, found
before anything of it is run, fetched or built."""

import json
import os
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from synth.errors import GeneratorError
from synth.seas.base import MICRO, build_untrained, check_base, load_base, save_base

FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)
CONFIGS = [name for name in FILES if name.endswith(".json")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "saved"
    save_base(build_untrained(MICRO), folder)
    return folder


@pytest.fixture
def base(saved, tmp_path, monkeypatch) -> Path:
    """A base of the test's own, on a machine without a network."""

    def refused(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    return Path(shutil.copytree(saved, tmp_path / "base"))


def change(path: Path, **entries: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def refused(base: Path) -> str:
    """What the base is refused with."""
    with pytest.raises(GeneratorError) as found:
        load_base(str(base))
    return str(found.value)


def test_a_saved_base_has_just_these_files_and_loads_as_it_was(base, untrained):
    assert sorted(path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()) == sorted(FILES)
    check_base(str(base))
    again = load_base(str(base))
    for part in ("unet", "vae", "text_encoder"):
        before, after = (getattr(pipeline, part) for pipeline in (untrained, again))
        assert not after.training
        assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())
    text = again.tokenizer(["a photo of object"], return_tensors="pt").input_ids
    assert torch.equal(untrained.text_encoder(text)[0], again.text_encoder(text)[0])
    before, after = (
        {key: value for key, value in pipeline.scheduler.config.items() if not key.startswith("_")}
        for pipeline in (untrained, again)
    )
    assert before == after


def loads_or_is_refused(base: Path) -> bool:
    """Whether a base loads, or is refused by a GeneratorError that names it; whatever else is raised passes through."""
    try:
        load_base(str(base))
    except GeneratorError as error:
        return str(base) in str(error)
    return True


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut by a byte": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a list": lambda path: path.write_text("[]"),
    "a list of names": lambda path: path.write_text('["org/model"]'),
    "a number": lambda path: path.write_text("3"),
    "nothing": lambda path: path.write_text("null"),
    "an empty object": lambda path: path.write_text("{}"),
    "deeply nested": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_every_damaged_file_is_named(how, saved, base):
    for name in FILES:
        path = base / name
        DAMAGES[how](path)
        if (name, how) != ("tokenizer/tokenizer_config.json", "missing"):  # which has defaults, of another length
            assert str(Path(name).parent) in refused(base), name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copy(saved / name, path)
    load_base(str(base))


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_an_error_or_does_no_harm(name, base):
    path = base / name
    whole = path.read_bytes()
    for place in range(0, min(len(whole), 4000), max(1, min(len(whole), 4000) // 12)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 7)]) + whole[place + 1 :])
        assert loads_or_is_refused(base), place


@pytest.mark.parametrize("name", CONFIGS)
def test_values_of_another_kind_are_an_error_or_do_no_harm(name, base):
    path = base / name
    whole = json.loads(path.read_text())
    values = (None, [], {}, "org/model", -1, 0, 7, 1e300, 10**400, True, [["a"]], {"a": {"b": "c"}})
    for number, key in list(enumerate(whole))[:: 1 + len(whole) // 30]:
        value = values[number % len(values)]
        path.write_text(json.dumps({**whole, key: value}))
        assert loads_or_is_refused(base), (key, value)


EVIL = "import pathlib\npathlib.Path({marker!r}).touch()\nclass Evil:\n    def __init__(self, *a, **k): pass\n"


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("model_index.json", {"scheduler": ["evil", "Evil"]}),
        ("model_index.json", {"scheduler": ["scheduler", "Evil"]}),
        ("model_index.json", {"unet": ["unet.evil", "Evil"]}),
        ("model_index.json", {"text_encoder": ["evil", "CLIPTextModel"]}),
        ("model_index.json", {"tokenizer": ["transformers", "AutoTokenizer"]}),
        ("model_index.json", {"_class_name": ["pipeline", "Evil"]}),
        ("model_index.json", {"_class_name": "Evil"}),
        ("model_index.json", {"another": ["evil", "Evil"]}),
        ("model_index.json", {"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}),
        ("unet/config.json", {"_class_name": "Evil"}),
        ("unet/config.json", {"auto_map": {"AutoModel": "evil.Evil"}}),
        ("unet/config.json", {"quantization_config": {"quant_method": "evil"}}),
        ("text_encoder/config.json", {"auto_map": {"AutoModel": "evil.Evil"}}),
        ("text_encoder/config.json", {"_attn_implementation": "org/kernel"}),
        ("tokenizer/tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}),
        ("tokenizer/tokenizer_config.json", {"gguf_file": "evil.gguf"}),
        ("tokenizer/tokenizer_config.json", {"fast_tokenizer_files": ["evil"]}),
    ],
)
def test_no_code_of_a_base_is_run(name, entries, base, tmp_path):
    marker = tmp_path / "ran"
    for place in ("", "scheduler", "unet", "text_encoder", "tokenizer"):
        for file in ("evil.py", "pipeline.py", "scheduler.py"):
            (base / place / file).write_text(EVIL.format(marker=str(marker)))
    load_base(str(base))  # code that merely lies there is not read
    change(base / name, **entries)
    assert Path(name).name in refused(base)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("unet/config.json", {"layers_per_block": 100_000}),
        ("unet/config.json", {"layers_per_block": [100_000, 1, 1]}),
        ("unet/config.json", {"transformer_layers_per_block": 100_000}),
        ("unet/config.json", {"down_block_types": ["DownBlock2D"] * 50_000}),
        ("unet/config.json", {"block_out_channels": [8, 16, 10**9]}),
        ("unet/config.json", {"block_out_channels": [8, 16, 131_072]}),
        ("unet/config.json", {"block_out_channels": [8] * 100_000}),
        ("unet/config.json", {"cross_attention_dim": 10**12}),
        ("unet/config.json", {"num_class_embeds": 100_000}),
        ("unet/config.json", {"sample_size": 10**30}),
        ("vae/config.json", {"layers_per_block": 100_000}),
        ("vae/config.json", {"block_out_channels": [8, 8, 131_072]}),
        ("vae/config.json", {"up_block_types": ["UpDecoderBlock2D"] * 50_000}),
        ("text_encoder/config.json", {"num_hidden_layers": 100_000}),
        ("text_encoder/config.json", {"hidden_size": 199_999}),
        ("text_encoder/config.json", {"vocab_size": 2_000_000}),
        ("text_encoder/config.json", {"max_position_embeddings": 10**9}),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**9}),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1] * 10**6}),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 10**9}),
    ],
)
def test_sizes_that_nothing_can_hold_are_refused_at_once(name, entries, base):
    change(base / name, **entries)
    began = time.perf_counter()
    assert str(Path(name).parent) in refused(base)
    assert time.perf_counter() - began < 2


def test_tokenizers_without_end_are_refused_at_once(base):
    path = base / "tokenizer/tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] |= {f"t{k}": 10_000 + k for k in range(200_000)}
    path.write_text(json.dumps(content))
    assert "names 20" in refused(base)
    path.write_text(json.dumps(content) + " " * (16 << 20))
    began = time.perf_counter()
    assert "tokenizer.json holds" in refused(base)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prediction_type", "sample"),
        ("prediction_type", "flow_prediction"),
        ("beta_schedule", "laplace"),
        ("num_train_timesteps", 500),
        ("beta_end", 1.5),
        ("beta_start", float("inf")),
        ("thresholding", True),
        ("variance_type", "learned_range"),
        ("timestep_spacing", "odd"),
    ],
)
def test_noise_schedules_that_training_does_not_know_are_named(key, value, base):
    change(base / "scheduler/scheduler_config.json", **{key: value})
    message = refused(base)
    assert "scheduler_config.json" in message
    assert key in message or "JSON" in message


@pytest.mark.parametrize("ending", ["bin", "ckpt", "pt"])
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("safetensors")])
def test_pickled_weights_are_refused_by_name_with_what_to_do(name, ending, base):
    path = base / name
    pickled = path.with_suffix(f".{ending}")
    path.rename(pickled)
    message = refused(base)
    assert pickled.name in message
    assert "convert it to" in message


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("safetensors")])
def test_weights_of_another_network_are_named_with_the_tensor(name, base):
    path = base / name
    whole = load_file(path)
    first = next(iter(whole))
    save_file({key: value for key, value in whole.items() if key != first}, path)
    assert f"lacks the tensor {first}" in refused(base)
    save_file({**whole, "more": torch.ones(2)}, path)
    assert "holds a tensor more" in refused(base)
    save_file({**whole, first: torch.ones(7, 5)}, path)
    assert f"{first} has shape (7, 5)" in refused(base)


def test_names_of_older_libraries_are_read(base, untrained):
    """Stable Diffusion 1.5 was saved with other names of the VAE's attention and one more layer of names in CLIP."""
    text = base / "text_encoder/model.safetensors"
    stored = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(text).items()}
    save_file({**stored, "text_model.embeddings.position_ids": torch.arange(16)[None]}, text)
    again = load_base(str(base)).text_encoder.state_dict()
    assert all(torch.equal(again[name], value) for name, value in untrained.text_encoder.state_dict().items())


def test_what_stable_diffusion_1_5_says_of_itself_is_read(tmp_path):
    """Its index names parts that are left out, its scheduler is PNDM's, and its VAE's attention has older names."""
    pipeline = build_untrained(replace(MICRO, vae_attention=True))
    save_base(pipeline, tmp_path)
    left_out = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    left_out |= {"feature_extractor": ["transformers", "CLIPImageProcessor"]}
    change(tmp_path / "model_index.json", scheduler=["diffusers", "PNDMScheduler"], **left_out)
    schedule = {"_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False}
    schedule |= {"beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "skip_prk_steps": True}
    schedule |= {"set_alpha_to_one": False, "steps_offset": 1, "trained_betas": None}
    (tmp_path / "scheduler/scheduler_config.json").write_text(json.dumps(schedule))
    path = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(path)
    for new, old in older.items():
        weights = {name.replace(f".{new}.", f".{old}."): value for name, value in weights.items()}
    assert sum(".query." in name for name in weights) == 4
    save_file(weights, path)
    again = load_base(str(tmp_path))
    assert type(again.scheduler).__name__ == "PNDMScheduler"
    assert again.scheduler.config.prediction_type == "epsilon"
    assert all(torch.equal(value, again.vae.state_dict()[name]) for name, value in pipeline.vae.state_dict().items())


def test_a_text_encoder_of_another_width_is_named(base):
    other = build_untrained(replace(MICRO, text_width=32))
    other.text_encoder.save_pretrained(base / "text_encoder")
    assert "cross_attention_dim is 16, wanted 32" in refused(base)


def test_tokens_that_the_text_encoder_has_no_row_for_are_named(base):
    build_untrained(MICRO, words=("rubber",)).tokenizer.save_pretrained(base / "tokenizer")
    assert "but the text encoder knows" in refused(base)


def test_weights_that_are_not_finite_are_named(base):
    path = base / "vae/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["encoder.conv_in.bias"][0] = float("nan")
    save_file(weights, path)
    assert "vae/config.json gives" in refused(base)


def test_a_name_that_is_neither_a_folder_nor_a_hub_id_is_reported_with_what_may_be_given(base):
    for name in ("no/such/place", "../up", "a b"):
        with pytest.raises(GeneratorError, match=r"give 'tiny', a folder that holds model_index\.json"):
            load_base(name)
