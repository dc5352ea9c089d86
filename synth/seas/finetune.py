"""Fine-tuning a base on one product: few shots of each defect type, some good parts, one folder.

    <folder>/
      model_index.json, unet/, text_encoder/, tokenizer/, vae/, scheduler/    opens in a stock StableDiffusionPipeline
      mask_head.safetensors    the network that reads masks off a drawing
      seas.json                tokens of each defect type, settings, fingerprint
      training_log.jsonl       losses, one line an update
      files.json               sha256 of all of these; written last: the model is complete
      checkpoints/             what an interrupted call resumes from; gone when complete

What a call relies on is checked first: damaged checkpoints, windows and finished models are reported and made again.

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import StableDiffusionPipeline
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from synth.errors import DiskFull, GeneratorError, RunError, WriterError
from synth.generators import Progress
from synth.io.atomic import naming_place, replacing, share
from synth.io.digest import DIGESTS, check_digests, damaged, digests, files_of, write_digests
from synth.io.images import content_hash
from synth.io.json_text import json_text
from synth.placing.matcher import image_of
from synth.sample import Sample
from synth.seas.base import save_base
from synth.seas.base_configs import BaseConfigs
from synth.seas.base_folder import open_folder
from synth.seas.config import LearningChoices, SeasConfig, SeasSettings
from synth.seas.denoiser import train_denoiser
from synth.seas.mask_head import MaskHead
from synth.seas.mask_training import build_mask_head, train_mask_head
from synth.seas.material import require_material
from synth.seas.pool import WindowPool, build_pool
from synth.seas.prompts import UnbalancedPrompts, add_tokens
from synth.seas.updates import Training
from synth.training.checkpoint import read_state, write_state
from synth.training.trackers import tracked

RECORD = "seas.json"
HEAD = "mask_head.safetensors"
CHECKPOINTS = "checkpoints"
METHOD = 3
"""Raised with every change after which the same base, data and settings train to other weights, so that a training
that an earlier version began is not resumed by other rules."""


@dataclass(frozen=True)
class Finetuned:
    """A model of one product, as `finetune` left it, and the settings it was trained with."""

    pipeline: StableDiffusionPipeline
    mask_head: MaskHead
    tokens: UnbalancedPrompts
    settings: SeasSettings


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
    require_material(shots, good_images)
    settings = resolve(config, pipeline)
    prompts = UnbalancedPrompts.plan(
        str(shots[0].product), [str(s.defect) for s in shots], settings.product_tokens, settings.defect_tokens
    )
    mark = fingerprint(pipeline, prompts, shots, good_images, settings, seed)
    accelerator = Accelerator(mixed_precision="no")  # autocast is ours: an Accelerator's precision is process-wide
    training = Training(folder, mark, seed, accelerator, progress)
    if _is_complete(training):
        return
    _require_even(settings, accelerator)
    if pipeline.unet.dtype != torch.float32:
        pipeline.to(torch.float32)
    pipeline.to(accelerator.device)
    name = "/".join(folder.parts[-2:])
    with _writing_to(folder), tracked(name, settings.model_dump(mode="json")) as told:
        training = replace(training, tracked=told)
        training.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        pool = _pool(pipeline, prompts, shots, good_images, settings, training)
        if not _take_trained(pipeline, training):
            first = add_tokens(
                pipeline.tokenizer, pipeline.text_encoder, prompts, settings.words, settings.start_words == "name"
            )
            train_denoiser(pipeline, prompts, first, pool, settings, training)
            if accelerator.is_main_process:
                _keep_trained(pipeline, training)
        head = train_mask_head(pipeline, prompts, pool, settings, training)
        if accelerator.is_main_process:
            record = {
                "fingerprint": mark,
                "seed": seed,
                "prompts": prompts.to_json(),
                "config": settings.model_dump(mode="json"),
            }
            _finish(folder, head, record)
        accelerator.wait_for_everyone()


def load_finetuned(folder: Path) -> Finetuned:
    """Open what `finetune` saved, float32. GeneratorError where the folder holds no such model, or one with a damaged
    file."""
    if not (folder / RECORD).is_file():
        raise GeneratorError(f"{folder} holds no finished fine-tuned model: its {RECORD} is missing")
    broken = check_digests(folder)
    if broken:
        raise GeneratorError(
            f"{folder / broken[0]} is damaged or missing: delete {folder} and run the same command again, which makes "
            "the model again"
        )
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        prompts, settings = UnbalancedPrompts.from_json(record["prompts"]), SeasSettings(**record["config"])
        pipeline = open_folder(folder)
        head = build_mask_head(pipeline)
        head.load_state_dict(load_file(folder / HEAD))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ValidationError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise GeneratorError(f"{folder} was made by another version ({reason}): delete it and run again") from error
    return Finetuned(pipeline, head.eval(), prompts, settings)


def resolve(config: SeasConfig, pipeline: StableDiffusionPipeline) -> SeasSettings:
    """The config with every open choice made for this base. GeneratorError for a resolution that its levels do not
    divide."""
    scale, step = _scales(pipeline.unet.config, pipeline.vae.config)
    parameters = sum(p.numel() for p in pipeline.unet.parameters())
    settings = config.resolved(parameters, pipeline.unet.config.sample_size * scale)
    _check_multiple(config, settings.resolution, step)
    return settings


def check_resolution(config: SeasConfig, base: BaseConfigs) -> None:
    """What `resolve` refuses, before the base's weights are there."""
    scale, step = _scales(base.unet, base.vae)
    _check_multiple(config, config.resolution or base.unet["sample_size"] * scale, step)


def _scales(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels a latent cell, and pixels a cell of the U-Net's coarsest level."""
    scale = 2 ** (_levels(vae, 1) - 1)
    return scale, scale * 2 ** (_levels(unet, 4) - 1)


def _levels(network: Mapping[str, Any], by_default: int) -> int:
    return len(network["block_out_channels"]) if "block_out_channels" in network else by_default


def _check_multiple(config: SeasConfig, resolution: int, step: int) -> None:
    if resolution % step:
        raise GeneratorError(f"resolution {resolution} does not suit {config.base}: take a multiple of {step}")


def fingerprint(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    settings: SeasSettings,
    seed: int,
) -> str:
    """A hash of everything that the fine-tuned weights depend on; fields that only drawing reads are left out, and so
    is where the base lies: its weights count."""
    choices = {name: getattr(settings, name) for name in LearningChoices.model_fields if name != "base"}
    choices["draws_strips"] = settings.draws_strips
    digest = hashlib.sha256(json.dumps([METHOD, seed, prompts.to_json(), choices], sort_keys=True).encode())
    vocabulary = pipeline.tokenizer.get_vocab()
    configs = [_public(part.config) for part in (pipeline.unet, pipeline.vae, pipeline.scheduler)]
    digest.update(json.dumps([vocabulary, *configs], sort_keys=True).encode())
    for network in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        for tensor in network.state_dict().values():
            digest.update(tensor.detach().float().cpu().contiguous().numpy())
    for sample in (*shots, *good_images):
        digest.update(f"{sample.id} {sample.defect} {_content(sample)}".encode())
        if sample.mask is not None:
            digest.update(sample.mask.tobytes())
    return digest.hexdigest()


def _content(sample: Sample) -> str:
    """The hash of a sample's image, which may be known without reading it again."""
    known = sample.meta.get("sha256")
    return content_hash(image_of(sample)) if known is None else str(known)


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the entries that name the folder and list defaults in an order that changes from process to process."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _require_even(settings: SeasSettings, accelerator: Accelerator) -> None:
    if settings.batch % accelerator.num_processes:
        raise GeneratorError(
            f"batch {settings.batch} cannot be shared by {accelerator.num_processes} processes: take a multiple"
        )


def _pool(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    settings: SeasSettings,
    training: Training,
) -> WindowPool:
    """The training windows, from the file an interrupted call left or encoded anew."""
    path = training.checkpoint_folder / f"windows-{training.fingerprint[:16]}.safetensors"
    found = read_state(path)
    if found is None and training.accelerator.is_main_process:
        if path.exists():
            training.report(f"{path.name} is damaged: encoded again")
        pool = build_pool(pipeline.vae, shots, good_images, prompts.defects, settings, training.seed, training.progress)
        write_state(path, pool.tensors())
    training.accelerator.wait_for_everyone()
    found = found or read_state(path)
    if found is None:
        raise RunError(f"{path} cannot be read back: look after the disk, then run the same command again")
    return WindowPool(**found[0])


def _keep_trained(pipeline: StableDiffusionPipeline, training: Training) -> None:
    """Save the trained pipeline in stock layout, first beside its place; then note that this is done, with the sha256
    of its files and the log so far. A call that dies in between repeats the moves."""
    folder, beside = training.folder, training.checkpoint_folder / "saving"
    shutil.rmtree(beside, ignore_errors=True)
    save_base(pipeline, beside)
    listing = digests(beside, files_of(beside))
    for part in sorted(beside.iterdir()):
        place = folder / part.name
        if place.is_dir():
            shutil.rmtree(place)
        part.replace(place)
    write_state(_trained_note(training), {}, {"files": listing, "log": training.log.text})


def _take_trained(pipeline: StableDiffusionPipeline, training: Training) -> bool:
    """Put U-Net, text encoder and tokenizer that an earlier call trained into `pipeline`; False where it did not come
    so far, or its files are damaged. The log then begins anew, else with what that call wrote."""
    path = _trained_note(training)
    found = read_state(path)
    broken = [path.name] if found is None and path.exists() else []
    if found is not None:
        broken = damaged(training.folder, found[1]["files"])
    for name in broken:
        training.report(f"{name} is damaged: made again")
    trained = found is not None and not broken
    if training.accelerator.is_main_process:
        training.log.restore(found[1]["log"] if found is not None and trained else "")
    if trained:
        saved = open_folder(training.folder).to(pipeline.device)
        pipeline.register_modules(unet=saved.unet, text_encoder=saved.text_encoder, tokenizer=saved.tokenizer)
    return trained


def _trained_note(training: Training) -> Path:
    return training.checkpoint_folder / "trained.safetensors"


def _finish(folder: Path, head: MaskHead, record: dict[str, Any]) -> None:
    """Write what is missing of the finished model, the list of its files last."""
    with replacing(folder / HEAD) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}, temporary)
        share(temporary)
    with replacing(folder / RECORD) as temporary:
        temporary.write_text(json_text(record, indent=2) + "\n", encoding="utf-8")
    write_digests(folder, [name for name in files_of(folder) if not name.startswith(f"{CHECKPOINTS}/")])
    shutil.rmtree(folder / CHECKPOINTS)


def _is_complete(training: Training) -> bool:
    """Whether the folder holds this training's finished model, undamaged; of a damaged one it forgets that it was
    finished. GeneratorError for the model of another training."""
    folder = training.folder
    if not (folder / RECORD).exists():
        return False
    broken = check_digests(folder)
    if RECORD not in broken and _fingerprint_of(folder) not in (None, training.fingerprint):
        raise GeneratorError(
            f"{folder} holds a model of another base, other images or settings, or of an earlier version: delete it "
            "or name another output folder"
        )
    if broken:
        for name in broken:
            training.report(f"{folder.name}/{name} is damaged or missing: the model is made again")
        for name in (DIGESTS, RECORD):
            (folder / name).unlink(missing_ok=True)
    else:  # a call that died after its last word left these
        shutil.rmtree(training.checkpoint_folder, ignore_errors=True)
    return not broken


def _fingerprint_of(folder: Path) -> str | None:
    """Of the training that made a finished model; None where its record cannot be read."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        with naming_place(folder):
            yield
    except DiskFull:
        raise
    except (OSError, WriterError) as error:
        raise RunError(f"fine-tuning cannot write to {folder} ({error}): free space or name another folder") from error
