"""The captioned images of a base training: rendered in chunks, encoded chunk by chunk, learnt from while more come.

A training draws from the first `pool_size` images, a number that follows from the step alone; where they are not
there yet it waits. So what it learns does not depend on how fast the images were rendered.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.lib.npyio import NpzFile
from transformers import CLIPTokenizer

from synth.io.atomic import replacing
from synth.seas.pool import encode
from synth.seas.pretraining.captioned import make_captioned
from synth.training.checkpoint import read_state, write_state

CHUNK = 500
FIRST_SHARE = 0.05
"""Share of the images that a training begins with; halfway it has all of them."""


def pool_size(step: int, steps: int, count: int) -> int:
    """How many of `count` images the given step of a training draws from."""
    return min(count, math.ceil(count * (FIRST_SHARE + 2 * (1 - FIRST_SHARE) * step / steps)))


class Corpus:
    """`count` captioned images of side x side px in files of CHUNK that appear by rename.

    A context: entered, processes render what is missing, in order; left, they stop."""

    def __init__(self, folder: Path, count: int, side: int, seed: int) -> None:
        self.folder, self.count, self.side, self.seed = folder, count, side, seed
        self.chunks = [range(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
        self._rendered: dict[range, Future[None]] = {}

    def __enter__(self) -> Corpus:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pool = ProcessPoolExecutor(max_workers=max(2, (os.cpu_count() or 1) - 2))
        for chunk in self.chunks:
            if not _is_whole(self.file(chunk)):
                self._rendered[chunk] = self._pool.submit(_render, self.file(chunk), chunk, self.side, self.seed)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def file(self, chunk: range) -> Path:
        return self.folder / f"{chunk.start:06d}-{chunk.stop:06d}.npz"

    def open(self, chunk: range) -> NpzFile:
        """A chunk as soon as it is rendered: `images` uint8 (N, H, W, 3), `masks` bool (N, H, W) and `captions`."""
        if chunk in self._rendered:
            self._rendered.pop(chunk).result()
        stored: NpzFile = np.load(self.file(chunk))
        return stored

    def images(self, count: int) -> np.ndarray:
        """The first `count` images, to whole chunks: uint8 (N, H, W, 3)."""
        parts = []
        for chunk in self.chunks:
            if chunk.start < count:
                with self.open(chunk) as stored:
                    parts.append(stored["images"])
        return np.concatenate(parts)

    def wait(self) -> None:
        """Return when all is rendered: on a machine whose processors train, both at once would take longer."""
        for future in self._rendered.values():
            future.result()


class Examples:
    """What the U-Net learns from, on the device of `vae`: latents (N, C, h, w) times its scaling factor, the share of
    marked pixels under each (N, 1, h, w), and tokens (N, length). The first `ready` rows are filled.

    Latents are kept below `folder`, so that a training that is resumed need not encode again."""

    def __init__(self, vae: AutoencoderKL, tokenizer: CLIPTokenizer, corpus: Corpus, folder: Path) -> None:
        self.vae, self.tokenizer, self.corpus, self.folder = vae, tokenizer, corpus, folder
        side = corpus.side // 2 ** (len(vae.config.block_out_channels) - 1)
        self.latents = torch.empty(corpus.count, vae.config.latent_channels, side, side, device=vae.device)
        self.marks = torch.empty(corpus.count, 1, side, side, device=vae.device)
        self.tokens = torch.empty(corpus.count, tokenizer.model_max_length, dtype=torch.long, device=vae.device)
        self.ready = 0
        folder.mkdir(exist_ok=True)

    def grow(self, count: int) -> None:
        """Fill at least the first `count` rows, to whole chunks."""
        for chunk in self.corpus.chunks:
            if self.ready <= chunk.start < count:
                self._take(chunk)
                self.ready = chunk.stop

    def _take(self, chunk: range) -> None:
        rows, side = slice(chunk.start, chunk.stop), self.latents.shape[-2:]
        with self.corpus.open(chunk) as stored:
            latents = self._latents(chunk, stored["images"])
            shares = torch.from_numpy(stored["masks"])[:, None].to(self.marks.device).float()
            captions = [str(text) for text in stored["captions"]]
        self.latents[rows] = latents.to(self.latents.device) * self.vae.config.scaling_factor
        self.marks[rows] = F.interpolate(shares, size=side, mode="area")
        ids = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        self.tokens[rows] = ids.to(self.tokens.device)

    def _latents(self, chunk: range, images: np.ndarray) -> torch.Tensor:
        """Unscaled latents of a chunk's images, from its file or, where that is missing or damaged, encoded."""
        path = self.folder / f"{chunk.start:06d}-{chunk.stop:06d}.safetensors"
        found = read_state(path)
        if found is not None:
            return found[0]["latents"]
        latents = encode(self.vae, images)[:, 0].clone()
        write_state(path, {"latents": latents})
        return latents


def _is_whole(path: Path) -> bool:
    """Whether a rendered chunk is there and has the checksums that its archive names."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return False


def _render(path: Path, chunk: Sequence[int], side: int, seed: int) -> None:
    made = [make_captioned(index, side, seed) for index in chunk]
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            images=np.stack([m.image for m in made]),
            masks=np.stack([m.mask for m in made]),
            captions=np.array([m.caption for m in made]),
        )
