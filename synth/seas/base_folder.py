"""A folder in the Stable Diffusion layout, loaded part by part.

    model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/

Each part is built by the one class that the product knows for it, from checked numbers, and filled from safetensors;
nothing else in the folder is opened, no code in it is run and nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from synth.errors import GeneratorError
from synth.io.model_files import check_shapes, tensor_shapes, weights_file
from synth.seas.base_configs import check_configs

DIFFUSION_WEIGHTS = "diffusion_pytorch_model.safetensors"
WEIGHTS = (f"unet/{DIFFUSION_WEIGHTS}", f"vae/{DIFFUSION_WEIGHTS}", "text_encoder/model.safetensors")


def open_folder(folder: Path) -> StableDiffusionPipeline:
    """The pipeline in a folder, float32, in evaluation mode. GeneratorError naming the file and what is wrong."""
    configs = check_configs(folder)
    files = [weights_file(folder / Path(name).parent, Path(name).name, GeneratorError) for name in WEIGHTS]
    with torch.device("meta"):
        unet = _built(folder / "unet/config.json", lambda: UNet2DConditionModel.from_config(configs.unet))
        vae = _built(folder / "vae/config.json", lambda: AutoencoderKL.from_config(configs.vae))
        text_config = folder / "text_encoder/config.json"
        planned = _built(text_config, lambda: CLIPTextModel(CLIPTextConfig(**configs.text_encoder)))
    names = [_names(part, file) for part, file in zip((unet, vae, planned), files, strict=True)]
    _fill(unet, files[0], names[0])
    _fill(vae, files[1], names[1])
    with torch.random.fork_rng(devices=[]):  # its buffers are in no file, so it cannot stay on the meta device
        text_encoder = CLIPTextModel(CLIPTextConfig(**configs.text_encoder, dtype=torch.float32))
    _fill(text_encoder, files[2], names[2])
    scheduler_class = getattr(diffusers, configs.scheduler_class)
    scheduler_config = folder / "scheduler/scheduler_config.json"
    tokenizer = _open_tokenizer(folder / "tokenizer", text_encoder.config)
    if text_encoder.config.hidden_size != unet.config.cross_attention_dim:
        raise GeneratorError(
            f"{folder / 'unet/config.json'}: cross_attention_dim is {unet.config.cross_attention_dim}, wanted "
            f"{text_encoder.config.hidden_size}, the width of its text encoder"
        )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=_built(scheduler_config, lambda: scheduler_class.from_config(configs.scheduler)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@torch.no_grad()
def try_out(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Encode, denoise and decode a few cells. GeneratorError naming the part that cannot, or gives what is not finite:
    not every config of which a network can be built is one by which it runs."""
    vae, unet, text_encoder = pipeline.vae, pipeline.unet, pipeline.text_encoder
    side = 2 ** len(unet.config.block_out_channels)
    latents = torch.ones(1, unet.config.in_channels, side, side, dtype=unet.dtype)
    pixels = torch.ones(1, 3, *(2 * [side * 2 ** (len(vae.config.block_out_channels) - 1)]), dtype=vae.dtype)
    ids = torch.full((1, text_encoder.config.max_position_embeddings), pipeline.tokenizer.eos_token_id)
    text = _ran(
        folder / "text_encoder/config.json",
        (1, ids.shape[1], unet.config.cross_attention_dim),
        lambda: text_encoder(ids)[0],
    )
    _ran(folder / "unet/config.json", tuple(latents.shape), lambda: unet(latents, 1, text).sample)
    _ran(folder / "vae/config.json", tuple(latents.shape), lambda: vae.encode(pixels).latent_dist.mean)
    _ran(folder / "vae/config.json", tuple(pixels.shape), lambda: vae.decode(latents).sample)


def _open_tokenizer(folder: Path, text: Any) -> CLIPTokenizer:
    """The tokenizer, whose every token the text encoder has a row for."""
    tokenizer = _built(folder, lambda: CLIPTokenizer.from_pretrained(str(folder), local_files_only=True))
    tokens, length = max(tokenizer.get_vocab().values()), tokenizer.model_max_length
    if not isinstance(length, int) or length < 1 or tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
        raise GeneratorError(f"{folder} does not say how long texts are or how they end: copy it again")
    if tokens >= text.vocab_size or length > text.max_position_embeddings:
        raise GeneratorError(
            f"{folder}: tokens up to number {tokens} in texts of {length}, but the text encoder knows "
            f"{text.vocab_size} tokens and {text.max_position_embeddings} places: copy both again"
        )
    return tokenizer


def _built(path: Path, build: Callable[[], Any]) -> Any:
    """What a library makes of a file, whose every complaint is about that file."""
    try:
        return build()
    except Exception as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise GeneratorError(f"{path} describes nothing that can be built ({reason}): copy it again") from problem


def _ran(path: Path, shape: tuple[int, ...], run: Callable[[], Tensor]) -> Tensor:
    """What a network gives, if it is of this shape and finite."""
    given = _built(path, run)
    if tuple(given.shape) != shape or not given.isfinite().all():
        raise GeneratorError(
            f"the network of {path} gives {tuple(given.shape)}, wanted finite numbers {shape}: copy its config and "
            "weights again"
        )
    return given


def _names(network: nn.Module, path: Path) -> dict[str, str]:
    """Name in the file -> name in the network, of every tensor. GeneratorError where names or shapes differ."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    by_plain = {_plain(name): name for name in wanted}
    stored = {name: shape for name, shape in tensor_shapes(path, GeneratorError).items() if "position_ids" not in name}
    names = {name: by_plain.get(_plain(name), name) for name in stored}
    check_shapes(path, {names[name]: shape for name, shape in stored.items()}, wanted, GeneratorError)
    return names


def _plain(name: str) -> str:
    """A tensor's name as today's libraries have it: attention of VAEs was named otherwise until diffusers 0.17, and
    text encoders were wrapped once more until transformers 5."""
    for old, new in ((".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")):
        name = name.replace(old, new)
    return name.removeprefix("text_model.")


def _fill(network: nn.Module, path: Path, names: Mapping[str, str]) -> None:
    """Give a network its weights; nothing else in memory or on disk is part of them."""
    try:
        stored = load_file(path)
        weights = {names[name]: stored[name].to(torch.float32, copy=True) for name in names}
        network.load_state_dict(weights, assign=True)
    except Exception as problem:
        raise GeneratorError(f"{path} cannot be read ({str(problem).splitlines()[0]}): copy it again") from problem
    network.eval()
