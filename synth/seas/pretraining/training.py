"""Train the bundled base: `python -m synth.seas.pretraining --work DIR`, from nothing or on from another with
`--start`.

Two stages, each resumable: the VAE, then the U-Net with its text encoder, from captioned images that are rendered
meanwhile (`corpus.py`). Every random number of a step comes from (seed, stage, step), so an
interrupted training ends as an uninterrupted one. On a GPU the networks are compiled and run in bfloat16.

Choices: the VAE learns pixels and their differences (L1) with a slight KL term, so it stays near-deterministic.
The U-Net predicts v (Salimans & Ho 2022). Its error counts the same at all timesteps, less only where the
signal-to-noise ratio is above 5: min-SNR weights (Hang et al. 2023) fall with ratios below 1 too, at t = 800 to a
sixteenth of those at 300, and with them the base hardly learnt how an image is laid out. Marked latents count more,
since marks cover little, and fully from a quarter of marked pixels on, or thin ones would be averaged away; by as much
less as there is noise, or marks that might be there would be drawn where they are not. A tenth of the captions is
dropped for classifier-free guidance; weights are averaged. Timesteps are 1000 u^1.5, u uniform: drawings start from a
good part or a sketch under moderate noise, where thin marks are decided.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from synth.errors import GeneratorError, RunError
from synth.io.atomic import replacing
from synth.io.model_files import read_json
from synth.seas.base import BUNDLED, TINY, build_untrained, load_base, save_base
from synth.seas.losses import min_snr_weight
from synth.seas.pool import encode
from synth.seas.pretraining.captioned import vocabulary
from synth.seas.pretraining.corpus import Corpus, Examples, pool_size
from synth.seas.pretraining.vae_start import start_as_thumbnail
from synth.training.checkpoint import Checkpoints, Notes, State, optimizer_state, restore_optimizer
from synth.training.log import Log
from synth.training.loop import EverySeconds, run_steps

LOGGED = 50
"""Steps from one line of the log to the next; that of the U-Net gives their mean loss."""
MARK_WEIGHT = 3.0
CAPTION_DROPOUT = 0.1
MAX_SNR = 5.0
LITTLE_NOISE = 1.5
VAE_IMAGES = 20_000
SCALED_BY = 2_000
"""Images that the VAE learns from, and whose latents give its scaling factor."""
SAVED_EVERY = 120.0
"""Seconds from one checkpoint to the next."""
FREE = ("work", "export", "device")
"""Arguments that may change when a training is resumed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for images, checkpoints and the log")
    parser.add_argument("--export", type=Path, default=BUNDLED, help="where the finished base goes")
    parser.add_argument("--start", help="base to continue from, as `tiny`; its VAE stays as it is")
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--vae-steps", type=int, default=1_500)
    parser.add_argument("--unet-steps", type=int, default=1_800)
    parser.add_argument("--batch", type=int, default=16, help="images a U-Net step; a GPU wants some hundreds")
    parser.add_argument("--rate", type=float, default=4e-4, help="highest learning rate of the U-Net's stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    check_settings(args.work, {key: value for key, value in vars(args).items() if key not in FREE})
    with Corpus(args.work / "images", args.images, TINY.resolution, args.seed) as corpus:
        if args.device == "cpu":
            corpus.wait()
        pipeline = build_untrained(TINY, args.seed, vocabulary()).to(args.device)
        if args.start:
            take_over(pipeline, load_base(args.start))
        else:
            train_vae(pipeline.vae, corpus, args.vae_steps, args.work, args.seed)
            scale_latents(pipeline.vae, corpus.images(SCALED_BY))
        examples = Examples(pipeline.vae, pipeline.tokenizer, corpus, args.work / "latents")
        train_unet(pipeline, examples, args.unet_steps, args.work, args.seed, args.batch, args.rate)
    export(pipeline, args.export)


def check_settings(work: Path, settings: dict[str, object]) -> None:
    """Begin the folder, or raise GeneratorError where its images, latents and weights come from other settings."""
    file = work / "settings.json"
    if not file.is_file():
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(settings))
    begun = read_json(file, GeneratorError)
    changed = [f"{key} was {begun.get(key)}" for key, value in settings.items() if begun.get(key) != value]
    if changed:
        raise GeneratorError(f"{work} was begun otherwise ({', '.join(changed)}): name another folder with --work")


@torch.no_grad()
def take_over(pipeline: StableDiffusionPipeline, older: StableDiffusionPipeline) -> None:
    """Give `pipeline` all weights of an older base of the same shape and the scale of its latents; words that both know
    keep their embeddings, by name, since a larger vocabulary numbers them anew."""
    pipeline.vae.load_state_dict(older.vae.state_dict())
    pipeline.vae.register_to_config(scaling_factor=older.vae.config.scaling_factor)
    pipeline.unet.load_state_dict(older.unet.state_dict())
    new, old = pipeline.tokenizer.get_vocab(), older.tokenizer.get_vocab()
    rows = pipeline.text_encoder.get_input_embeddings().weight.clone()
    known = [(new[word], number) for word, number in old.items() if word in new]
    to, of = (list(numbers) for numbers in zip(*known, strict=True))
    rows[to] = older.text_encoder.get_input_embeddings().weight[of].to(rows)
    state = older.text_encoder.state_dict()
    names = [name for name, values in state.items() if values.shape[:1] == (len(old),)]
    pipeline.text_encoder.load_state_dict({**state, **dict.fromkeys(names, rows)})


class Resumable(ABC):
    """What every stage saves: model, optimiser and the log. Its batches are the numbers of the steps."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, work: Path) -> None:
        self.model, self.optimizer, self.log = model, optimizer, Log(work / "log.jsonl")
        self._names = {parameter: name for name, parameter in model.named_parameters()}

    @abstractmethod
    def step(self, step: int, _batch: int) -> None:
        """One update."""

    def state(self) -> tuple[State, Notes]:
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        return tensors | optimizer_state(self.optimizer, self._names), {"log": self.log.text}

    def restore(self, tensors: State, notes: Notes) -> None:
        self.model.load_state_dict(_below("model/", tensors))
        restore_optimizer(self.optimizer, self._names, tensors)
        self.log.restore(notes["log"])


def run_stage(stage: str, training: Resumable, steps: int, work: Path) -> None:
    """All steps of a stage, from its newest checkpoint on; another follows every SAVED_EVERY seconds."""
    rows = training.log.path.read_text().splitlines(keepends=True) if training.log.path.is_file() else []
    training.log.restore("".join(row for row in rows if f'"stage": "{stage}"' not in row))
    checkpoints = Checkpoints(work / "checkpoints", stage, fingerprint="")
    run_steps(stage, training, range, steps, checkpoints, EverySeconds(lambda: SAVED_EVERY, steps))


def _below(prefix: str, tensors: State) -> State:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def train_vae(vae: AutoencoderKL, corpus: Corpus, steps: int, work: Path, seed: int, batch: int = 8) -> None:
    """Small crops first, whole images for the last quarter: convolutions do not mind, and it is four times faster."""
    start_as_thumbnail(vae)
    run_stage("vae", VaeTraining(vae, corpus, steps, work, seed, batch), steps, work)


class VaeTraining(Resumable):
    """The VAE's steps."""

    def __init__(self, vae: AutoencoderKL, corpus: Corpus, steps: int, work: Path, seed: int, batch: int) -> None:
        optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        super().__init__(vae, optimizer, work)
        self._vae, self._corpus, self._steps, self._seed, self._batch = vae, corpus, steps, seed, batch

    @cached_property
    def _images(self) -> np.ndarray:
        return self._corpus.images(VAE_IMAGES)

    def step(self, step: int, _batch: int) -> None:
        vae, steps, rng = self._vae, self._steps, np.random.default_rng((self._seed, 1, step))
        whole = step >= 0.75 * steps
        crop, n = (self._corpus.side, self._batch // 4) if whole else (self._corpus.side // 2, self._batch)
        pixels = _to_pixels(_crops(self._images, n, crop, rng)).to(vae.device)
        _set_lr(self.optimizer, 7e-4 * min(1.0, (step + 1) / 200) * min(1.0, (steps - step) / (0.6 * steps)))
        posterior = vae.encode(pixels).latent_dist
        noise = torch.from_numpy(rng.standard_normal(tuple(posterior.mean.shape), dtype=np.float32)).to(vae.device)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        loss = F.l1_loss(decoded, pixels) + 1e-6 * posterior.kl().mean() + _difference_loss(decoded, pixels)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if step % LOGGED == 0:
            psnr = -10 * float(torch.log10(F.mse_loss(decoded.detach().clamp(-1, 1), pixels) / 4))
            self.log.write({"stage": "vae", "step": step, "of": steps, "loss": float(loss.detach()), "psnr": psnr})


def scale_latents(vae: AutoencoderKL, images: np.ndarray) -> None:
    """Set the VAE's scaling factor to 1 / deviation of these images' latents, as Stable Diffusion defines it."""
    vae.register_to_config(scaling_factor=1 / float(encode(vae, images)[:, 0].std()))


def train_unet(
    pipeline: StableDiffusionPipeline, examples: Examples, steps: int, work: Path, seed: int, batch: int, rate: float
) -> None:
    """U-Net and text encoder together; ends with their averaged weights in the pipeline."""
    pipeline.unet.to(memory_format=torch.channels_last)
    training = UnetTraining(pipeline, examples, steps, work, seed, batch, rate)
    run_stage("unet", training, steps, work)
    training.average.copy_to(training.model.parameters())


class UnetTraining(Resumable):
    """The steps of U-Net and text encoder."""

    def __init__(
        self,
        pipeline: StableDiffusionPipeline,
        examples: Examples,
        steps: int,
        work: Path,
        seed: int,
        batch: int,
        rate: float,
    ) -> None:
        model = nn.ModuleDict({"unet": pipeline.unet, "text": pipeline.text_encoder})
        self.average = EMAModel(model.parameters(), decay=0.999, foreach=True)
        optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
        super().__init__(model, optimizer, work)
        self._pipeline, self._examples, self._steps, self._seed = pipeline, examples, steps, seed
        self._batch, self._rate, self._started = batch, rate, time.monotonic()
        text = pipeline.tokenizer([""], padding="max_length", return_tensors="pt")
        self._nothing = text.input_ids.to(pipeline.device)
        self._recent: list[Tensor] = []
        self._descend: Callable[..., Tensor] = self._gradients
        if pipeline.device.type == "cuda":
            pipeline.unet.compile()
            pipeline.text_encoder.compile()
            self._descend = captured(self._gradients)

    def step(self, step: int, _batch: int) -> None:
        steps, pool = self._steps, pool_size(step, self._steps, len(self._examples.latents))
        self._examples.grow(pool)
        number = int(np.random.SeedSequence((self._seed, 2, step)).generate_state(1)[0])
        draw = torch.Generator(self._pipeline.device).manual_seed(number)
        _set_lr(self.optimizer, self._rate * min(1.0, (step + 1) / 200) * (steps - step) / steps)
        self._recent.append(self._descend(*_draw(self._examples, pool, self._batch, self._nothing, draw)))
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
        self.optimizer.step()
        self.average.step(self.model.parameters())
        if (step + 1) % LOGGED == 0 or step + 1 == steps:
            self._report(step + 1, pool, float(norm))

    def state(self) -> tuple[State, Notes]:
        tensors, notes = super().state()
        tensors |= {f"recent/{index}": value for index, value in enumerate(self._recent)}
        tensors |= {f"average/{index}": value for index, value in enumerate(self.average.shadow_params)}
        return tensors, {**notes, "averaged": self.average.optimization_step}

    def restore(self, tensors: State, notes: Notes) -> None:
        super().restore(tensors, notes)
        self._recent = list(_below("recent/", tensors).values())
        averages = [tensors[f"average/{index}"] for index in range(len(self.average.shadow_params))]
        constants = self.average.state_dict()
        self.average.load_state_dict({**constants, "shadow_params": averages, "optimization_step": notes["averaged"]})
        self.average.to(self._pipeline.device)

    def _gradients(self, *inputs: Tensor) -> Tensor:
        self.model.zero_grad(set_to_none=True)
        losses = _diffusion_losses(self._pipeline, *inputs)
        losses.mean().backward()
        return losses.detach().mean()

    def _report(self, done: int, pool: int, norm: float) -> None:
        """Log the mean loss since the last time. RunError where it is not finite."""
        loss = float(torch.stack([each.to(self._recent[-1]) for each in self._recent]).mean())
        if not math.isfinite(loss):
            raise RunError(f"the loss broke before step {done}: begin again with --rate below {self._rate}")
        row = {"batch": self._batch, "pool": pool, "loss": loss, "norm": norm}
        seconds = time.monotonic() - self._started
        self.log.write({"stage": "unet", "step": done, "of": self._steps, **row, "seconds": seconds})
        self._recent.clear()


def _draw(examples: Examples, pool: int, batch: int, nothing: Tensor, draw: torch.Generator) -> tuple[Tensor, ...]:
    """A batch of the first `pool` examples: latents, marks, tokens, some of them those of `nothing`, t and noise."""
    device = draw.device
    rows = torch.randint(pool, (batch,), generator=draw, device=device)
    captioned = torch.rand(batch, 1, generator=draw, device=device) >= CAPTION_DROPOUT
    t = (1000 * torch.rand(batch, generator=draw, device=device) ** LITTLE_NOISE).long()
    latents = examples.latents[rows]
    noise = torch.randn(latents.shape, generator=draw, device=device)
    return latents, examples.marks[rows], torch.where(captioned, examples.tokens[rows], nothing), t, noise


def captured(descend: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same as one CUDA graph, recorded at the first call: the thousands of kernels of a small network take longer
    to start than to run. All inputs keep their shapes; gradients are written over at every call."""
    inputs: list[Tensor] = []
    graph, result = torch.cuda.CUDAGraph(), torch.empty(())

    def replay(*values: Tensor) -> Tensor:
        nonlocal result
        if not inputs:
            inputs.extend(value.clone() for value in values)
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    descend(*inputs)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph):
                result = descend(*inputs)
        for kept, value in zip(inputs, values, strict=True):
            kept.copy_(value)
        graph.replay()
        return result.clone()

    return replay


def _diffusion_losses(
    pipeline: StableDiffusionPipeline, latents: Tensor, marks: Tensor, ids: Tensor, t: Tensor, noise: Tensor
) -> Tensor:
    """Weighted v-prediction error, one number a sample (B,); marked latents count MARK_WEIGHT more where there is
    little noise.

    marks (B, 1, h, w): share of marked pixels under each latent."""
    device, scheduler = pipeline.device, pipeline.scheduler
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False):
        words = pipeline.text_encoder(ids).last_hidden_state
        guess = pipeline.unet(scheduler.add_noise(latents, noise, t), t, words).sample.float()
    error = (guess - scheduler.get_velocity(latents, noise, t)).square()
    signal = scheduler.alphas_cumprod.to(device)[t].sqrt()[:, None, None, None]
    weight = 1 + MARK_WEIGHT * signal * (4 * marks).clamp(max=1)
    error = (error * weight).mean((1, 2, 3)) / weight.mean((1, 2, 3))
    return error * min_snr_weight(scheduler, t, MAX_SNR)


def export(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write the base as fp16 safetensors in the Stable Diffusion layout, replacing what stood there."""
    temporary = folder.with_name(folder.name + ".tmp")
    save_base(pipeline.to(dtype=torch.float16), temporary)
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        folder.rename(old)
        temporary.rename(folder)
        for path in sorted(old.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        old.rmdir()
    else:
        temporary.rename(folder)


def _crops(images: np.ndarray, count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Random square crops, mirrored at random: uint8 (count, side, side, 3)."""
    room = images.shape[1] - side + 1
    chosen = zip(rng.integers(len(images), size=count), rng.integers(room, size=(count, 2)), strict=True)
    crops = np.stack([images[i, r : r + side, c : c + side] for i, (r, c) in chosen])
    return crops[:, :, ::-1] if rng.random() < 0.5 else crops


def _to_pixels(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) to float (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _difference_loss(a: Tensor, b: Tensor) -> Tensor:
    """L1 of the pixel differences along rows and columns: keeps edges and thin marks sharp."""
    error = a - b
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def _set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
