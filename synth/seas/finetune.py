"""Fine-tuning a base on one product: few shots of each defect type, some good parts, one folder.

    <folder>/
      model_index.json, unet/, text_encoder/, tokenizer/, vae/, scheduler/    opens in a stock StableDiffusionPipeline
      mask_head.safetensors    the network that reads masks off a drawing
      seas.json                tokens of each defect type, config, fingerprint; written last: the model is complete
      training_log.jsonl       losses, one line an update
      checkpoints/             what an interrupted call resumes from; gone when complete

Deviations from the published code, besides those named in losses, pool, features and mask_head: only the new tokens'
rows are trained; tokens may start from words the base knows; small bases get a larger rate, a short warm-up, clipped
gradients and an average of the last weights, because a few hundred updates have to do. `parity: true` undoes them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from synth.errors import GeneratorError, RunError
from synth.generators import Progress
from synth.sample import Sample
from synth.seas.base import save_base
from synth.seas.checkpoint import write_tensors
from synth.seas.config import LearningChoices, SeasConfig
from synth.seas.denoiser import train_denoiser
from synth.seas.mask_head import MaskHead
from synth.seas.mask_training import build_mask_head, train_mask_head
from synth.seas.pool import WindowPool, build_pool
from synth.seas.prompts import UnbalancedPrompts, add_tokens
from synth.seas.updates import Training

RECORD = "seas.json"
HEAD = "mask_head.safetensors"
METHOD = 2
"""Raised with every change after which the same base, data and settings train to other weights, so that a training
that an earlier version began is not gone on with by other rules."""


@dataclass(frozen=True)
class Finetuned:
    """A model of one product, as `finetune` left it; `config` is the settled one it was trained with."""

    pipeline: StableDiffusionPipeline
    mask_head: MaskHead
    tokens: UnbalancedPrompts
    config: SeasConfig


def finetune(
    pipeline: StableDiffusionPipeline,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    config: SeasConfig,
    folder: Path,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Fine-tune `pipeline` (a base, changed in place) on the shots and good_images of one product, and save it in
    `folder`.

    An interrupted call resumes when repeated and ends with the same weights, bit for bit on the same device; a
    complete folder is left as it is. Raises GeneratorError for images or a base that cannot be learnt from, or a
    folder of another training; RunError where the folder cannot be written."""
    _require_material(shots, good_images)
    config = settle(config, pipeline)
    prompts = UnbalancedPrompts.plan(
        str(shots[0].product), [str(s.defect) for s in shots], config.product_tokens, config.defect_tokens
    )
    mark = fingerprint(pipeline, prompts, shots, good_images, config, seed)
    if _is_complete(folder, mark):
        return
    accelerator = Accelerator(mixed_precision="no")  # autocast is ours: an Accelerator's precision is process-wide
    _require_even(config, accelerator)
    training = Training(folder, mark, seed, accelerator, progress)
    if pipeline.unet.dtype != torch.float32:
        pipeline.to(torch.float32)
    pipeline.to(accelerator.device)
    with _writing_to(folder):
        training.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        pool = _pool(pipeline, prompts, shots, good_images, config, training)
        trained = training.checkpoint_folder / "denoiser.done"
        if trained.is_file():
            _load_weights(pipeline, folder)
        else:
            first = add_tokens(
                pipeline.tokenizer, pipeline.text_encoder, prompts, config.words, config.start_words == "name"
            )
            train_denoiser(pipeline, prompts, first, pool, config, training)
            if accelerator.is_main_process:
                _save_pipeline(pipeline, folder)
                trained.touch()
        head = train_mask_head(pipeline, prompts, pool, config, training)
        if accelerator.is_main_process:
            write_tensors(folder / HEAD, head.state_dict())
            record = {
                "fingerprint": mark,
                "seed": seed,
                "prompts": prompts.to_json(),
                "config": config.model_dump(mode="json"),
            }
            _write_json(folder / RECORD, record)
            shutil.rmtree(training.checkpoint_folder)
        accelerator.wait_for_everyone()


def load_finetuned(folder: Path, dtype: torch.dtype = torch.float32) -> Finetuned:
    """Open what `finetune` saved; the mask head stays float32. GeneratorError where the folder holds no such model."""
    record = _read_record(folder)
    if record is None:
        raise GeneratorError(f"{folder} holds no finished fine-tuned model: its {RECORD} is missing")
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), dtype=dtype)
    head = build_mask_head(pipeline)
    head.load_state_dict(load_file(folder / HEAD))
    prompts = UnbalancedPrompts.from_json(record["prompts"])
    return Finetuned(pipeline, head.eval(), prompts, SeasConfig.model_validate(record["config"]))


def settle(config: SeasConfig, pipeline: StableDiffusionPipeline) -> SeasConfig:
    """The config with every open choice made for this base. GeneratorError for a resolution that its levels do not
    divide."""
    scale = 2 ** (len(pipeline.vae.config.block_out_channels) - 1)
    parameters = sum(p.numel() for p in pipeline.unet.parameters())
    settled = config.settled(parameters, pipeline.unet.config.sample_size * scale)
    step = scale * 2 ** (len(pipeline.unet.config.block_out_channels) - 1)
    if settled.resolution is None or settled.resolution % step:
        raise GeneratorError(f"resolution {settled.resolution} does not suit {config.base}: take a multiple of {step}")
    return settled


def fingerprint(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    config: SeasConfig,
    seed: int,
) -> str:
    """A hash of everything that the fine-tuned weights depend on; fields that only drawing reads are left out, and so
    is where the base lies: its weights count."""
    choices = {name: getattr(config, name) for name in LearningChoices.model_fields if name != "base"}
    digest = hashlib.sha256(json.dumps([METHOD, seed, prompts.to_json(), choices], sort_keys=True).encode())
    vocabulary = pipeline.tokenizer.get_vocab()
    configs = [_public(part.config) for part in (pipeline.unet, pipeline.vae, pipeline.scheduler)]
    digest.update(json.dumps([vocabulary, *configs], sort_keys=True).encode())
    for network in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        for tensor in network.state_dict().values():
            digest.update(tensor.detach().float().cpu().contiguous().numpy())
    for sample in (*shots, *good_images):
        assert sample.image is not None
        digest.update(f"{sample.id} {sample.defect} {sample.image.shape}".encode())
        digest.update(sample.image.tobytes())
        if sample.mask is not None:
            digest.update(sample.mask.tobytes())
    return digest.hexdigest()


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the entries that name the folder and list defaults in an order that changes from process to process."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _require_material(shots: Sequence[Sample], good_images: Sequence[Sample]) -> None:
    if not shots or not good_images:
        raise GeneratorError(
            f"fine-tuning needs shots and good images; it got {len(shots)} shots and {len(good_images)} good images"
        )
    products = {sample.product for sample in (*shots, *good_images)}
    if len(products) > 1:
        raise GeneratorError(f"one model is one product's; it got {sorted(map(str, products))}")
    for sample in (*shots, *good_images):
        if sample.image is None:
            raise GeneratorError(f"{sample.id} has no image")
    for shot in shots:
        if shot.defect is None:
            raise GeneratorError(f"shot {shot.id} names no defect type; good parts belong to the good images")
        if shot.mask is None or not shot.mask.any():
            raise GeneratorError(f"shot {shot.id} has no defect pixel in its mask: correct the mask or leave it out")


def _require_even(config: SeasConfig, accelerator: Accelerator) -> None:
    if config.batch % accelerator.num_processes:
        raise GeneratorError(
            f"batch {config.batch} cannot be shared by {accelerator.num_processes} processes: take a multiple"
        )


def _pool(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    config: SeasConfig,
    training: Training,
) -> WindowPool:
    """The training windows, from the file an interrupted call left or encoded anew."""
    path = training.checkpoint_folder / f"windows-{training.fingerprint[:16]}.safetensors"
    if not path.is_file() and training.accelerator.is_main_process:
        pool = build_pool(pipeline.vae, shots, good_images, prompts.defects, config, training.seed, training.progress)
        write_tensors(path, pool.tensors())
    training.accelerator.wait_for_everyone()
    return WindowPool(**load_file(path))


def _save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Stock layout, first beside its place; a call that dies in between repeats the moves."""
    beside = folder / "checkpoints" / "saving"
    shutil.rmtree(beside, ignore_errors=True)
    save_base(pipeline, beside)
    for part in sorted(beside.iterdir()):
        place = folder / part.name
        if place.is_dir():
            shutil.rmtree(place)
        part.replace(place)


def _load_weights(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Put the saved U-Net, text encoder and tokenizer into `pipeline`."""
    saved = StableDiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32).to(pipeline.device)
    pipeline.register_modules(unet=saved.unet, text_encoder=saved.text_encoder, tokenizer=saved.tokenizer)


def _is_complete(folder: Path, mark: str) -> bool:
    record = _read_record(folder)
    if record is not None and record["fingerprint"] != mark:
        raise GeneratorError(
            f"{folder} holds a model of another base, other images or settings, or of an earlier version: delete it "
            "or name another output folder"
        )
    if record is not None:  # a call that died after its last word left these
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record is not None


def _read_record(folder: Path) -> dict[str, Any] | None:
    path = folder / RECORD
    return json.loads(path.read_text()) if path.is_file() else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"fine-tuning cannot write to {folder} ({error}): free space or name another folder") from error
