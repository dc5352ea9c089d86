"""Train the bundled base: `python -m synth.seas.pretrain --work DIR`, from nothing or on from another with `--start`.

Four stages, each resumable: pictures (rendered, captioned), the VAE, their latents, the U-Net with its text encoder.
Every random number of a step comes from (seed, stage, step), so an interrupted training ends as an uninterrupted one.

Choices: the VAE learns pixels and their differences (L1) with a slight KL term, so it stays near-deterministic.
The U-Net predicts v (Salimans & Ho 2022). Its error counts the same at all timesteps, less only where the
signal-to-noise ratio is above 5: min-SNR weights (Hang et al. 2023) fall with ratios below 1 too, at t = 800 to a
sixteenth of those at 300, and with them the base hardly learnt how a picture is laid out. Marked latents count more,
since marks cover little, and fully from a quarter of marked pixels on, or thin ones would be averaged away; by as much
less as there is noise, or marks that might be there would be drawn where they are not. A tenth of the captions is
dropped for classifier-free guidance; weights are averaged. Timesteps are 1000 u^1.5, u uniform: drawings start from a
good part or a sketch under moderate noise, where thin marks are decided.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from synth.seas.base import BUNDLED, TINY, build_untrained, load_base, save_base
from synth.seas.captioned import make_captioned, vocabulary
from synth.seas.losses import min_snr_weight
from synth.seas.vae_start import start_as_thumbnail

CHUNK = 500
LOGGED = 50
"""Steps from one line of the log to the next; that of the U-Net gives their mean loss."""
MARK_WEIGHT = 3.0
CAPTION_DROPOUT = 0.1
MAX_SNR = 5.0
LITTLE_NOISE = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures, checkpoints and the log")
    parser.add_argument("--export", type=Path, default=BUNDLED, help="where the finished base goes")
    parser.add_argument("--start", help="base to go on from, as `tiny`; its VAE stays as it is")
    parser.add_argument("--pictures", type=int, default=16_000)
    parser.add_argument("--vae-steps", type=int, default=1_500)
    parser.add_argument("--unet-steps", type=int, default=1_800)
    parser.add_argument("--batch", type=int, default=16, help="pictures a U-Net step; a GPU wants some hundreds")
    parser.add_argument("--rate", type=float, default=4e-4, help="highest learning rate of the U-Net's stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(args.work / "pictures", args.pictures, TINY.resolution, args.seed)
    corpus.render()
    pipeline = build_untrained(TINY, args.seed, vocabulary()).to(args.device)
    scale = None
    if args.start:
        older = load_base(args.start)
        take_over(pipeline, older)
        scale = older.vae.config.scaling_factor
    else:
        train_vae(pipeline.vae, corpus, args.vae_steps, args.work, args.seed)
    latents, marks = encode(pipeline.vae, corpus, args.work / "latents.pt", scale)
    captions = corpus.captions()
    train_unet(pipeline, latents, marks, captions, args.unet_steps, args.work, args.seed, args.batch, args.rate)
    export(pipeline, args.export)


@torch.no_grad()
def take_over(pipeline: StableDiffusionPipeline, older: StableDiffusionPipeline) -> None:
    """Give `pipeline` all weights of an older base of the same shape; words that both know keep their embeddings, by
    name, since a larger vocabulary numbers them anew."""
    pipeline.vae.load_state_dict(older.vae.state_dict())
    pipeline.unet.load_state_dict(older.unet.state_dict())
    new, old = pipeline.tokenizer.get_vocab(), older.tokenizer.get_vocab()
    rows = pipeline.text_encoder.get_input_embeddings().weight.clone()
    known = [(new[word], number) for word, number in old.items() if word in new]
    to, of = (list(numbers) for numbers in zip(*known, strict=True))
    rows[to] = older.text_encoder.get_input_embeddings().weight[of].to(rows)
    state = older.text_encoder.state_dict()
    names = [name for name, values in state.items() if values.shape[:1] == (len(old),)]
    pipeline.text_encoder.load_state_dict({**state, **dict.fromkeys(names, rows)})


class Corpus:
    """`count` captioned pictures on disk, rendered once in chunks that appear by rename."""

    def __init__(self, folder: Path, count: int, side: int, seed: int) -> None:
        self.folder, self.side, self.seed = folder, side, seed
        self.chunks = [range(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
        folder.mkdir(parents=True, exist_ok=True)

    def render(self) -> None:
        missing = [chunk for chunk in self.chunks if not self._file(chunk).is_file()]
        with ProcessPoolExecutor() as pool:
            for done, _ in enumerate(pool.map(self._render_chunk, missing), start=1):
                log(self.folder.parent, stage="pictures", step=done, of=len(missing))

    def images(self) -> np.ndarray:
        """uint8 (N, H, W, 3)."""
        return np.concatenate([np.load(self._file(chunk))["images"] for chunk in self.chunks])

    def masks(self) -> np.ndarray:
        """bool (N, H, W)."""
        return np.concatenate([np.load(self._file(chunk))["masks"] for chunk in self.chunks])

    def captions(self) -> list[str]:
        return [str(text) for chunk in self.chunks for text in np.load(self._file(chunk))["captions"]]

    def _file(self, chunk: range) -> Path:
        return self.folder / f"{chunk.start:06d}-{chunk.stop:06d}.npz"

    def _render_chunk(self, chunk: range) -> None:
        made = [make_captioned(index, self.side, self.seed) for index in chunk]
        temporary = self._file(chunk).with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(
                file,
                images=np.stack([m.image for m in made]),
                masks=np.stack([m.mask for m in made]),
                captions=np.array([m.caption for m in made]),
            )
        temporary.replace(self._file(chunk))


def train_vae(vae: AutoencoderKL, corpus: Corpus, steps: int, work: Path, seed: int, batch: int = 8) -> None:
    """Small crops first, whole pictures for the last quarter: convolutions do not mind, and it is four times faster."""
    start_as_thumbnail(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    images = None
    for step in resumed(steps, work / "vae.pt", vae, optimizer):
        images = corpus.images() if images is None else images
        rng = np.random.default_rng((seed, 1, step))
        whole = step >= 0.75 * steps
        crop, n = (corpus.side, batch // 4) if whole else (corpus.side // 2, batch)
        pixels = _to_pixels(_crops(images, n, crop, rng)).to(vae.device)
        _set_lr(optimizer, 7e-4 * min(1.0, (step + 1) / 200) * min(1.0, (steps - step) / (0.6 * steps)))
        posterior = vae.encode(pixels).latent_dist
        noise = torch.from_numpy(rng.standard_normal(tuple(posterior.mean.shape), dtype=np.float32)).to(vae.device)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        loss = F.l1_loss(decoded, pixels) + 1e-6 * posterior.kl().mean() + _difference_loss(decoded, pixels)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % LOGGED == 0:
            psnr = -10 * float(torch.log10(F.mse_loss(decoded.detach().clamp(-1, 1), pixels) / 4))
            log(work, stage="vae", step=step, of=steps, loss=float(loss.detach()), psnr=psnr)


@torch.no_grad()
def encode(vae: AutoencoderKL, corpus: Corpus, path: Path, scale: float | None) -> tuple[Tensor, Tensor]:
    """Latents of all pictures (N, C, h, w), times `scale`, and the share of marked pixels (N, 1, h, w).

    Sets the VAE's scaling factor to it; None: to 1 / deviation of the latents, as Stable Diffusion defines it."""
    if not path.is_file():
        images, masks = corpus.images(), corpus.masks()
        means = [vae.encode(_to_pixels(part).to(vae.device)).latent_dist.mean.cpu() for part in _parts(images, 32)]
        latents = torch.cat(means)
        shares = F.interpolate(torch.from_numpy(masks)[:, None].float(), size=latents.shape[-2:], mode="area")
        scale = scale or 1 / float(latents.std())
        _save({"latents": latents * scale, "marks": shares, "scale": scale}, path)
    stored = torch.load(path, weights_only=True)
    vae.register_to_config(scaling_factor=stored["scale"])
    return stored["latents"], stored["marks"]


def train_unet(
    pipeline: StableDiffusionPipeline,
    latents: Tensor,
    marks: Tensor,
    captions: list[str],
    steps: int,
    work: Path,
    seed: int,
    batch: int,
    rate: float,
) -> None:
    """U-Net and text encoder together; ends with their averaged weights in the pipeline."""
    latents, marks = latents.to(pipeline.device), marks.to(pipeline.device)
    pipeline.unet.to(memory_format=torch.channels_last)
    model = nn.ModuleDict({"unet": pipeline.unet, "text": pipeline.text_encoder})
    average = EMAModel(model.parameters(), decay=0.999)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, fused=True)
    tokens = pipeline.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    nothing = pipeline.tokenizer([""], padding="max_length", return_tensors="pt").input_ids[0]
    started, recent = time.monotonic(), deque[float](maxlen=LOGGED)
    for step in resumed(steps, work / "unet.pt", model, optimizer, average):
        rng = np.random.default_rng((seed, 2, step))
        rows = torch.from_numpy(rng.integers(len(latents), size=batch))
        told = torch.from_numpy(rng.random(batch) >= CAPTION_DROPOUT)
        ids = torch.where(told[:, None], tokens[rows], nothing)
        t = torch.from_numpy((1000 * rng.random(batch) ** LITTLE_NOISE).astype(np.int64))
        noise = torch.from_numpy(rng.standard_normal((batch, *latents.shape[1:]), dtype=np.float32))
        _set_lr(optimizer, rate * min(1.0, (step + 1) / 200) * (steps - step) / steps)
        losses = _diffusion_losses(pipeline, latents[rows], marks[rows], ids, t, noise)
        losses.mean().backward()
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.step(model.parameters())
        recent.append(float(losses.detach().mean()))
        if (step + 1) % LOGGED == 0:
            seconds, loss = time.monotonic() - started, float(np.mean(recent))
            log(work, stage="unet", step=step + 1, of=steps, batch=batch, loss=loss, norm=norm, seconds=seconds)
    average.copy_to(model.parameters())


def _diffusion_losses(
    pipeline: StableDiffusionPipeline, latents: Tensor, marks: Tensor, ids: Tensor, t: Tensor, noise: Tensor
) -> Tensor:
    """Weighted v-prediction error, one number a sample (B,); marked latents count MARK_WEIGHT more where there is
    little noise.

    marks (B, 1, h, w): share of marked pixels under each latent. On a GPU the networks run in bfloat16."""
    device, scheduler = pipeline.device, pipeline.scheduler
    latents, marks, ids, t, noise = (x.to(device) for x in (latents, marks, ids, t, noise))
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
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


def resumed(
    steps: int,
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: EMAModel | None = None,
    every: int = 200,
) -> Iterator[int]:
    """Step numbers still to do, after loading the last checkpoint; a checkpoint follows every `every` steps."""
    first = 0
    if path.is_file():
        state = torch.load(path, weights_only=True)
        first = state["step"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load_state_dict(state["average"])
    for step in range(first, steps):
        yield step
        if (step + 1) % every == 0 or step + 1 == steps:
            state = {"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            _save(state | ({"average": average.state_dict()} if average is not None else {}), path)


def log(work: Path, **values: object) -> None:
    with (work / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")


def _save(state: dict, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (array[i : i + size] for i in range(0, len(array), size))


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


if __name__ == "__main__":
    main()
