"""Base models: building an untrained Stable Diffusion of any size, and loading a trained one.

The bundled base `tiny` and a real Stable Diffusion 1.x/2.x differ in numbers only. Both are a StableDiffusionPipeline
of tokenizer, CLIP text encoder, AutoencoderKL, UNet2DConditionModel and scheduler, and are saved in its folder layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from synth.errors import GeneratorError
from synth.io.atomic import share
from synth.io.model_files import hub_folder
from synth.seas.base_configs import CONFIGS, BaseConfigs, check_configs
from synth.seas.base_folder import WEIGHTS, open_folder, try_out

# Bars of a second's loading would run through the command's own.
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()

BUNDLED = Path(__file__).parent / "tiny_base"
_LAYOUT = "model_index.json, unet/, vae/, text_encoder/, tokenizer/ and scheduler/"
WORDS = ("a", "with", "defect", "object", "good", "part", "photo", "of")
"""Words that prompts are made of; a base's tokenizer keeps each of them as one token."""


@dataclass(frozen=True)
class Architecture:
    """The numbers by which one Stable Diffusion differs from another. Tuples run from full to lowest resolution.

    As in Stable Diffusion, the lowest level has no attention; SeaS aligns the two attention levels above it
    (32 and 16 of 64 in SD 1.x, 16 and 8 of 32 in the bundled base)."""

    resolution: int
    vae_channels: tuple[int, ...]
    vae_layers: int
    unet_channels: tuple[int, ...]
    unet_attention: tuple[bool, ...]
    unet_layers: int
    heads: int
    text_width: int
    text_layers: int
    text_heads: int
    text_length: int
    latent_channels: int = 4
    norm_groups: int = 32
    vae_norm_groups: int = 32
    vae_attention: bool = True
    prediction_type: str = "epsilon"

    @property
    def latent_size(self) -> int:
        return self.resolution // 2 ** (len(self.vae_channels) - 1)


TINY = Architecture(
    resolution=128,
    vae_channels=(24, 48, 96),
    vae_layers=1,
    unet_channels=(48, 64, 128, 256),
    unet_attention=(False, True, True, False),
    unet_layers=1,
    heads=4,
    text_width=128,
    text_layers=2,
    text_heads=4,
    text_length=32,
    norm_groups=8,
    vae_norm_groups=2,
    vae_attention=False,
    prediction_type="v_prediction",
)
"""The bundled base. Cells of 4 px keep a thin crack a line of cells; a narrow top level without attention keeps their
32 x 32 as cheap as 16 x 16 cells of 8 px, where thin lines were lost (24 against 30 images/s in training)."""

MICRO = Architecture(
    resolution=32,
    vae_channels=(8, 8, 16),
    vae_layers=1,
    unet_channels=(8, 16, 16),
    unet_attention=(True, True, False),
    unet_layers=1,
    heads=2,
    text_width=16,
    text_layers=1,
    text_heads=2,
    text_length=16,
    norm_groups=4,
    vae_norm_groups=2,
    vae_attention=False,
)
"""Small enough for a test to train in a second."""

SD15 = Architecture(
    resolution=512,
    vae_channels=(128, 256, 512, 512),
    vae_layers=2,
    unet_channels=(320, 640, 1280, 1280),
    unet_attention=(True, True, True, False),
    unet_layers=2,
    heads=8,
    text_width=768,
    text_layers=12,
    text_heads=12,
    text_length=77,
)
"""The exact shape of Stable Diffusion 1.x: an 860 M parameter U-Net."""


def build_untrained(arch: Architecture, seed: int = 0, words: Sequence[str] = ()) -> StableDiffusionPipeline:
    """A randomly initialised pipeline of this architecture, float32, the same for the same seed.

    words: vocabulary beyond WORDS that the tokenizer keeps whole; anything else is spelled in bytes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = build_tokenizer((*WORDS, *words), arch.text_length)
        return StableDiffusionPipeline(
            vae=_build_vae(arch),
            text_encoder=_build_text_encoder(arch, tokenizer),
            tokenizer=tokenizer,
            unet=_build_unet(arch),
            scheduler=build_scheduler(arch.prediction_type),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def build_scheduler(prediction_type: str) -> DDPMScheduler:
    """The noise schedule of Stable Diffusion 1.x: scaled linear from 0.00085 to 0.012 over 1000 steps.

    A network that predicts v can start from pure noise, so there the last step keeps nothing of the image (Lin et al.
    2024, algorithm 1). With the 7 % that are left otherwise a network learns to read an image's brightness and colour
    from what no drawing starts with, and draws medium grey."""
    pure = prediction_type == "v_prediction"
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        prediction_type=prediction_type,
        rescale_betas_zero_snr=pure,
        timestep_spacing="trailing" if pure else "leading",
    )


def build_tokenizer(words: Sequence[str], length: int) -> CLIPTokenizer:
    """A CLIP tokenizer whose byte-pair merges join exactly these words; ends as one token each.

    Raises GeneratorError where a word is still split."""
    vocabulary = sorted({word.lower() for word in words})
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    endings = [letter + "</w>" for letter in alphabet]
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=alphabet,
        special_tokens=endings,  # else numbered as a hash map has them, and equally frequent pairs merge in that order
        show_progress=False,
    )
    learner.train_from_iterator(vocabulary, trainer)
    merges = [tuple(pair) for pair in _merges(learner)]
    tokens = [*alphabet, *endings, *("".join(pair) for pair in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, model_max_length=length
    )
    split = [word for word in vocabulary if len(tokenizer(word)["input_ids"]) != 3]
    if split:
        raise GeneratorError(f"the tokenizer splits {split}: use plain lower-case words without digits or signs")
    return tokenizer


def check_base(name: str) -> None:
    """Raises GeneratorError where no base stands under this name, or one that cannot be learnt on; reads its configs
    alone."""
    base_configs(name)


def base_configs(name: str) -> BaseConfigs:
    """The checked configs of the base `name`, without its weights. Raises as `check_base` does."""
    return check_configs(_folder_of(name, CONFIGS))


def load_base(name: str) -> StableDiffusionPipeline:
    """The base model `name`, float32: "tiny" (bundled), a folder in the Stable Diffusion layout, or a Hub id.

    Raises GeneratorError where it is absent, damaged or of another kind."""
    check_configs(_folder_of(name, CONFIGS))  # of a Hub id before its weights are fetched
    folder = _folder_of(name, (*CONFIGS, *WEIGHTS))
    pipeline = open_folder(folder)
    try_out(pipeline, folder)
    return pipeline


def save_base(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write a pipeline in the Stable Diffusion layout, as safetensors that whoever may read the rest may read."""
    pipeline.save_pretrained(folder)
    for weights in folder.rglob("*.safetensors"):
        share(weights)


def _folder_of(name: str, patterns: Sequence[str]) -> Path:
    """Where the base lies; of a Hub id the files that match the patterns."""
    if name == "tiny":
        if not (BUNDLED / "model_index.json").is_file():
            raise GeneratorError(f"the bundled base is missing from {BUNDLED}: reinstall flawsmith")
        return BUNDLED
    folder, wanted = Path(name), f"'tiny', a folder that holds {_LAYOUT}, or a Hub id"
    if not folder.is_dir():
        return hub_folder(name, patterns, GeneratorError, "Stable Diffusion 1.x/2.x base", wanted)
    if not (folder / "model_index.json").is_file():
        raise GeneratorError(f"no Stable Diffusion 1.x/2.x base in {name}: give {wanted}")
    return folder


def _merges(learner: Tokenizer) -> list[list[str]]:
    merges = json.loads(learner.to_str())["model"]["merges"]
    return [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]


def _build_vae(arch: Architecture) -> AutoencoderKL:
    levels = len(arch.vae_channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=arch.vae_channels,
        layers_per_block=arch.vae_layers,
        latent_channels=arch.latent_channels,
        norm_num_groups=arch.vae_norm_groups,
        mid_block_add_attention=arch.vae_attention,
        sample_size=arch.resolution,
        scaling_factor=0.18215,
    )


def _build_text_encoder(arch: Architecture, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=arch.text_width,
        intermediate_size=4 * arch.text_width,
        num_hidden_layers=arch.text_layers,
        num_attention_heads=arch.text_heads,
        max_position_embeddings=arch.text_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def _build_unet(arch: Architecture) -> UNet2DConditionModel:
    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in arch.unet_attention)
    up = tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(arch.unet_attention))
    return UNet2DConditionModel(
        sample_size=arch.latent_size,
        in_channels=arch.latent_channels,
        out_channels=arch.latent_channels,
        block_out_channels=arch.unet_channels,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=arch.unet_layers,
        cross_attention_dim=arch.text_width,
        # diffusers reads this as the number of heads where num_attention_heads is unset
        attention_head_dim=arch.heads,
        norm_num_groups=arch.norm_groups,
    )
