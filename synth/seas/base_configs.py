"""What the configs of a base may say: read and checked before anything is built by them.

model_index.json                              which class each part is of
unet/config.json, vae/config.json, text_encoder/config.json
tokenizer/                                    tokenizer.json, or vocab.json and merges.txt
scheduler/scheduler_config.json
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel

from synth.errors import GeneratorError
from synth.io.model_files import read_config, read_json, regular_file

CONFIGS = (
    *("model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json"),
    *("scheduler/scheduler_config.json", "tokenizer/*.json", "tokenizer/*.txt"),
)
"""What there is to read besides weights."""
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
_PARTS = {
    "unet": (["diffusers", "UNet2DConditionModel"],),
    "vae": (["diffusers", "AutoencoderKL"],),
    "text_encoder": (["transformers", "CLIPTextModel"],),
    "tokenizer": (["transformers", "CLIPTokenizer"], ["transformers", "CLIPTokenizerFast"]),
    "scheduler": tuple(["diffusers", name] for name in SCHEDULERS),
}
_LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that a base may name; they are never loaded."""
_UNET_TYPES = {
    "down_block_types": {"DownBlock2D", "CrossAttnDownBlock2D"},
    "up_block_types": {"UpBlock2D", "CrossAttnUpBlock2D"},
    "mid_block_type": {"UNetMidBlock2DCrossAttn"},
}
_VAE_TYPES = {"down_block_types": {"DownEncoderBlock2D"}, "up_block_types": {"UpDecoderBlock2D"}}
_UNET_UNKNOWN = (
    "addition_embed_type",
    "class_embed_type",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "num_class_embeds",
    "time_cond_proj_dim",
)
"""Inputs besides latents, time and text, which SeaS does not give."""
_LEVELS = 8
_SCHEDULE: dict[str, tuple[object, ...]] = {
    "prediction_type": ("epsilon", "v_prediction"),
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"),
    "num_train_timesteps": (1000,),
    "trained_betas": (None,),
    "thresholding": (False,),
    "use_flow_sigmas": (False, None),
    "rescale_betas_zero_snr": (False, True),
    "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    "timestep_spacing": ("leading", "linspace", "trailing"),
}
"""What a noise schedule may say where it says it."""
_SCHEDULE_NEEDS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end")
_TOKENIZER_LIMIT = 16 << 20
_TOKENS_LIMIT = 200_000
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_TOKENIZER_ENTRIES = {
    *("add_bos_token", "add_eos_token", "add_prefix_space", "added_tokens_decoder", "additional_special_tokens"),
    *("backend", "bos_token", "clean_up_tokenization_spaces", "do_lower_case", "eos_token", "errors"),
    *("extra_special_tokens", "is_local", "local_files_only", "max_length", "model_max_length", "name_or_path"),
    *("model_specific_special_tokens", "pad_to_multiple_of", "pad_token", "pad_token_type_id", "padding_side"),
    *("processor_class", "special_tokens_map_file", "split_special_tokens", "stride", "tokenizer_class"),
    *("truncation_side", "truncation_strategy", "unk_token"),
}
_TEXT_ENTRIES = {
    *("attention_dropout", "bos_token_id", "eos_token_id", "hidden_act", "hidden_size", "initializer_factor"),
    *("initializer_range", "intermediate_size", "layer_norm_eps", "max_position_embeddings", "num_attention_heads"),
    *("num_hidden_layers", "pad_token_id", "projection_dim", "vocab_size"),
}
_TEXT_SIZES = ("hidden_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "vocab_size")


@dataclass(frozen=True)
class BaseConfigs:
    """The checked configs of a base: of U-Net, VAE, text encoder and scheduler, and the scheduler's class."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    text_encoder: dict[str, Any]
    scheduler: dict[str, Any]
    scheduler_class: str


def check_configs(folder: Path) -> BaseConfigs:
    """Read and check everything but weights. GeneratorError naming the file and what is wrong with it."""
    index = read_json(folder / "model_index.json", GeneratorError)
    _check_index(index, folder / "model_index.json")
    unet = _diffusion_config(folder / "unet/config.json", UNet2DConditionModel, _UNET_TYPES)
    vae = _diffusion_config(folder / "vae/config.json", AutoencoderKL, _VAE_TYPES)
    text = read_config(folder / "text_encoder/config.json", GeneratorError)
    text = {key: value for key, value in text.items() if key in _TEXT_ENTRIES}
    _require_numbers(unet, ("sample_size", "cross_attention_dim"), folder / "unet/config.json")
    _require_numbers({"scaling_factor": 0.18215, **vae}, ("scaling_factor",), folder / "vae/config.json")
    _require_numbers(text, _TEXT_SIZES, folder / "text_encoder/config.json")
    scheduler = read_config(folder / "scheduler/scheduler_config.json", GeneratorError)
    _check_schedule(scheduler, folder / "scheduler/scheduler_config.json")
    _check_tokenizer(folder / "tokenizer")
    for key in _UNET_UNKNOWN:
        if unet.get(key) is not None:
            path = folder / "unet/config.json"
            raise GeneratorError(f"{path}: {key} is {unet[key]!r}, wanted null: name a text-to-image base")
    if unet.get("in_channels", 4) != vae.get("latent_channels", 4):
        raise GeneratorError(
            f"{folder}: its U-Net takes {unet.get('in_channels', 4)} channels, its VAE gives "
            f"{vae.get('latent_channels', 4)}: name a text-to-image base, not an inpainting one"
        )
    return BaseConfigs(unet, vae, text, scheduler, index["scheduler"][1])


def _check_index(index: Mapping[str, Any], path: Path) -> None:
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise GeneratorError(
            f"{path}: _class_name is {index.get('_class_name')!r}, wanted 'StableDiffusionPipeline': name a "
            "Stable Diffusion 1.x/2.x text-to-image base"
        )
    for name, known in _PARTS.items():
        if index.get(name) not in known:
            wanted = " or ".join(each[1] for each in known)
            raise GeneratorError(f"{path}: {name} is {index.get(name)!r}, wanted {wanted} of {known[0][0]}")
    others = {name for name in index if not name.startswith("_")} - _PARTS.keys() - {*_LEFT_OUT}
    for name in sorted(others - {"requires_safety_checker"}):
        raise GeneratorError(f"{path}: {name} is no part of a Stable Diffusion 1.x/2.x base: name another")


def _diffusion_config(path: Path, kind: type, block_types: Mapping[str, set[str]]) -> dict[str, Any]:
    """The entries of a network's config that its class takes."""
    config = read_config(path, GeneratorError, layers=12)
    if config.get("_class_name", kind.__name__) != kind.__name__:
        raise GeneratorError(f"{path}: _class_name is {config['_class_name']!r}, wanted {kind.__name__!r}")
    for key, known in block_types.items():
        types = config.get(key, [])
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or len(types) > _LEVELS or not all(each in known for each in map(str, types)):
            raise GeneratorError(f"{path}: {key} is {types!r}, wanted up to {_LEVELS} of {', '.join(sorted(known))}")
    taken = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    return {key: value for key, value in config.items() if key in taken}


def _check_schedule(config: Mapping[str, Any], path: Path) -> None:
    missing = [key for key in _SCHEDULE_NEEDS if key not in config]
    if missing:
        raise GeneratorError(f"{path} does not say {missing[0]}: copy it again")
    for key, known in _SCHEDULE.items():
        if key in config and not any(config[key] is each or config[key] == each for each in known):
            wanted = " or ".join(map(repr, known))
            raise GeneratorError(f"{path}: {key} is {config[key]!r}, wanted {wanted}: name another base")
    for key in ("beta_start", "beta_end"):
        value = config[key]
        if not isinstance(value, float) or not 0 < value < 1:
            raise GeneratorError(f"{path}: {key} is {value!r}, wanted a number between 0 and 1")


def _require_numbers(config: Mapping[str, Any], keys: Sequence[str], path: Path) -> None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise GeneratorError(f"{path}: {key} is {value!r}, wanted a number above 0: copy it again")


def _check_tokenizer(folder: Path) -> None:
    present = [name for name in _TOKENIZER_FILES if (folder / name).exists()]
    if "tokenizer.json" not in present and not {"vocab.json", "merges.txt"} <= {*present}:
        raise GeneratorError(f"{folder} holds no tokenizer.json, nor vocab.json and merges.txt: copy it again")
    for name in present:
        regular_file(folder / name, _TOKENIZER_LIMIT, GeneratorError)
    contents = {name: read_json(folder / name, GeneratorError, _TOKENIZER_LIMIT) for name in present if ".json" in name}
    unknown = sorted(contents.get("tokenizer_config.json", {}).keys() - _TOKENIZER_ENTRIES)
    if unknown:
        raise GeneratorError(
            f"{folder / 'tokenizer_config.json'}: {unknown[0]} is no entry of a CLIP tokenizer: remove it"
        )
    model = contents.get("tokenizer.json", {"model": {"vocab": contents.get("vocab.json")}}).get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not 0 < len(vocabulary) <= _TOKENS_LIMIT:
        count = len(vocabulary) if isinstance(vocabulary, dict) else "no"
        raise GeneratorError(f"{folder} names {count} tokens, wanted 1 to {_TOKENS_LIMIT}: copy it again")
