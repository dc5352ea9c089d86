"""The models of a run's products: learnt one by one, kept on disk, one of them in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from synth.generators import Progress
from synth.io.names import file_name
from synth.sample import Sample
from synth.seas.base import base_configs, check_base, load_base
from synth.seas.config import SeasConfig, SeasSettings
from synth.seas.drawing import draw_windows
from synth.seas.finetune import Finetuned, check_resolution, finetune, load_finetuned, resolve
from synth.seas.plan import Drawn, Start
from synth.seas.prompts import check_length


class Models:
    """One fine-tuned diffusion model a product, in folder/<product>/. GeneratorError for a base that is none."""

    def __init__(self, config: SeasConfig, folder: Path, seed: int) -> None:
        check_base(config.base)
        self._config, self._folder, self._seed = config, folder, seed
        self._loaded: tuple[str, Finetuned, SeasSettings] | None = None

    def check(self) -> None:
        """GeneratorError for a resolution that does not suit the base, and for more tokens than it reads."""
        configs = base_configs(self._config.base)
        check_resolution(self._config, configs)
        check_length(self._config.product_tokens + self._config.defect_tokens, configs)

    def fit(
        self, shots: Sequence[Sample], good_images: Sequence[Sample], reads_masks: bool, progress: Progress | None
    ) -> None:
        """Fine-tune the model of one product, with its mask head if masks are read; resumes where an interrupted call
        stopped."""
        base = load_base(self._config.base)
        config = self._config if reads_masks else self._config.model_copy(update={"mask_updates_per_defect": 0})
        finetune(base, shots, good_images, config, self._place(str(shots[0].product)), self._seed, progress)
        self._loaded = None

    def resolution(self, product: str) -> int:
        """Side of the windows that this product's model draws, px."""
        return self._model(product)[0].settings.resolution

    def draw(self, product: str, starts: Sequence[Start]) -> list[Drawn]:
        """All windows as one batch."""
        model, settings = self._model(product)
        return draw_windows(model, starts, settings)

    def _place(self, product: str) -> Path:
        return self._folder / file_name(product)

    def _model(self, product: str) -> tuple[Finetuned, SeasSettings]:
        """The product's model from disk, on the device, U-Net in the config's precision; and what to draw by."""
        if self._loaded is None or self._loaded[0] != product:
            self._loaded = None
            model = load_finetuned(self._place(product))
            device = Accelerator(mixed_precision="no").device
            model.pipeline.to(device)
            model.mask_head.to(device)
            # The order in which convolutions of a processor read: a fifth less time in the VAE.
            model.pipeline.vae.to(memory_format=torch.channels_last)
            model.pipeline.unet.to(memory_format=torch.channels_last)
            if self._config.precision == "bf16":
                model.pipeline.unet.to(torch.bfloat16)
            self._loaded = (product, model, resolve(self._config, model.pipeline))
        return self._loaded[1:]
