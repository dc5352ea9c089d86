"""The `generator: {kind: seas}` block of a recipe: every choice of SeaS that a user may make.

Three kinds of default: a plain value; None, which `SeasConfig.resolved` replaces by what suits the base's size (tables
SMALL_BASE, FULL_BASE, LORA), so that training and drawing read `SeasSettings` without None; and the table PARITY of the
published code's choices, which `parity: true` lays under whatever the recipe says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.placing.config import PLACEMENT, SEVERITY, TURN, Severity, Trust, Turn
from synth.seas.freedom import CANDIDATES, OTHERS
from synth.seas.mixes import LEAST

PARITY: dict[str, Any] = {
    "precision": "fp32",
    "unet_mode": "full",
    "updates_per_defect": 800,
    "mask_updates_per_defect": 800,
    "windows_per_defect": 256,
    "batch": 2,
    "accumulate": 2,
    "lr_unet": 4e-6,
    "lr_tokens": 4e-5,
    "lr_mask": 5e-4,
    "warmup_updates": 0,
    "ema_decay": 0.0,
    "grad_clip": 0.0,
    "snr_gamma": 0.0,
    "noise_focus": 1.0,
    "weight_defect": 0.0,
    "train_full_embedding": True,
    "start_words": "plain",
    "map_range": "batch",
    "mask_pyramid": "bilinear",
    "mask_labels": "truncated",
    "mask_timesteps": 1000,
    "decoder_input": "noisy",
    "zoom": False,
    "preserve_background": False,
    "start_amplitude": 0.0979,
    "steps": 25,
    "guidance": 8.0,
    "mask_mode": "predict",
    "mask_threshold": 0.2,
    "mask_steps": 3,
    "freedom": 1.0,
    "placement": "anywhere",
    "final_sigma": "sigma_min",
}
"""What the published SeaS code does for MVTec AD (its guidance is 2 for VisA and 5 for MVTec 3D-AD)."""

SMALL_BASE: dict[str, Any] = {
    "lr_unet": 1e-4,
    "lr_tokens": 2e-3,
    "warmup_updates": 20,
    "ema_decay": 0.98,
    "noise_focus": 2.0,
    "weight_defect": 3.0,
}
FULL_BASE: dict[str, Any] = {
    "lr_unet": 4e-6,
    "lr_tokens": 4e-5,
    "warmup_updates": 0,
    "ema_decay": 0.0,
    "noise_focus": 1.0,
    "weight_defect": 0.0,
}
LORA: dict[str, Any] = {**FULL_BASE, "lr_unet": 1e-4, "lr_tokens": 1e-3, "warmup_updates": 20}
FULL_SIZE = 300_000_000
"""Parameters from which a U-Net counts as full-size; Stable Diffusion 1.x has 860 million."""


def _complete(freedom: Any) -> Any:
    if isinstance(freedom, dict) and OTHERS not in freedom:
        raise ValueError(f"freedom by defect type needs a value for the others: add {OTHERS}, such as {OTHERS}: 0")
    return freedom


Share = Annotated[float, Field(ge=0, le=1)]
Freedom = Annotated[Literal["auto"] | Share | dict[str, Share], AfterValidator(_complete)]


def _field(default: Any, help_text: str, unit: str = "", **limits: Any) -> Any:
    return Field(default, description=help_text, json_schema_extra={"unit": unit} if unit else None, **limits)


class LearningChoices(BaseModel):
    """Everything that the fine-tuned weights depend on, besides images and seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = _field("tiny", "Base model: 'tiny' (bundled), a Stable Diffusion 1.x/2.x folder, or a Hub id.")
    resolution: int | None = _field(
        None, "Side of the windows that are learnt and drawn; none = the base's own.", "px", ge=16
    )
    parity: bool = _field(False, "Choices of the published code wherever the recipe names no other.")

    # fine-tuning
    unet_mode: Literal["full", "lora"] = _field(
        "full", "Train the whole U-Net, or low-rank additions to its attention."
    )
    lora_rank: int = _field(16, "Rank of those additions.", ge=1)
    precision: Literal["fp32", "bf16"] = _field("fp32", "Arithmetic of fine-tuning and drawing; weights stay fp32.")
    gradient_checkpointing: bool = _field(False, "Recompute U-Net activations: about a third slower, far less memory.")
    updates_per_defect: int = _field(200, "Updates of U-Net and tokens for each defect type.", "updates", ge=1)
    mask_updates_per_defect: int = _field(
        80, "Updates of the mask head for each defect type, where masks are read off drawings.", "updates", ge=0
    )
    windows_per_defect: int = _field(
        64, "Windows cut and encoded for each defect type before training, and as many good ones.", "windows", ge=1
    )
    batch: int = _field(4, "Defective windows a micro-batch, and as many good ones.", "windows", ge=1)
    accumulate: int = _field(1, "Micro-batches an update.", "micro-batches", ge=1)
    lr_unet: float | None = _field(None, "Learning rate of the U-Net; none = 4e-6 full-size, 1e-4 small or LoRA.", gt=0)
    lr_tokens: float | None = _field(
        None, "Learning rate of the tokens; none = 4e-5 full-size, 2e-3 small, 1e-3 LoRA.", gt=0
    )
    lr_mask: float = _field(1e-3, "Learning rate of the mask head.", gt=0)
    warmup_updates: int | None = _field(
        None, "Updates over which rates grow from zero; none = 20, 0 full-size.", "updates", ge=0
    )
    ema_decay: float | None = _field(
        None, "Decay of the averaged weights that are kept; none = 0.98 small, 0 (off) else.", ge=0, lt=1
    )
    grad_clip: float = _field(1.0, "Largest gradient norm of an update; 0 = any.", ge=0)
    snr_gamma: float = _field(5.0, "Signal-to-noise ratio from which noise losses count less; 0 = never.", ge=0)
    noise_focus: float | None = _field(
        None,
        "Exponent p of the noise levels T u^p that are learnt on; 1 = evenly, more = lower ones more often; "
        "none = 2 small, 1 else.",
        ge=1,
    )
    weight_defect: float | None = _field(
        None, "Extra weight of a defect's own latents in the noise loss; none = 3 small, 0 else.", ge=0
    )
    weight_da: float = _field(1.0, "Weight of the decoupled anomaly alignment loss.", ge=0)
    weight_na: float = _field(1.0, "Weight of the normal-image alignment loss.", ge=0)
    rotate: bool = _field(True, "Turn training windows by quarter turns.")
    flip: bool = _field(True, "Mirror training windows.")
    zoom: bool = _field(True, "Learn and draw small defects in a window cut around them.")

    # prompt
    product_tokens: int = _field(1, "New tokens for the product.", "tokens", ge=1)
    defect_tokens: int = _field(4, "New tokens for each defect type.", "tokens", ge=1)
    start_words: Literal["name", "plain"] = _field(
        "name", "Start tokens from the defect's own name where the base knows every word of it, or from plain words."
    )
    words: dict[str, str] = _field({}, "Words to start a defect type's or the product's tokens from, by its name.")
    train_full_embedding: bool = _field(False, "Train the whole token table rather than the new rows alone.")

    # alignment loss and mask head
    softmax_axis: Literal["pixel", "token"] = _field(
        "pixel", "Axis over which an attention map of the loss sums to one."
    )
    map_range: Literal["sample", "batch"] = _field("sample", "What an attention map is stretched to [0, 1] over.")
    mask_pyramid: Literal["max", "bilinear"] = _field(
        "max", "How masks shrink to the maps' size; max keeps thin marks."
    )
    mask_labels: Literal["any", "truncated"] = _field(
        "any", "Which mask pixels are defect: > 0, or only the full ones."
    )
    mask_timesteps: int = _field(
        300, "The mask head learns on noise levels below this one.", "timesteps", ge=1, le=1000
    )
    decoder_input: Literal["clean", "noisy"] = _field("clean", "Latents whose decoding the mask head sees.")


class SeasConfig(LearningChoices):
    """SeaS: one fine-tuned Stable Diffusion a product, for all its defect types."""

    kind: Literal["seas"] = "seas"
    freedom: Freedom = _field(
        0.0,
        "How far samples leave the shots' own pixels: 0 = pasted where their surroundings fit, without a model and in "
        "about a minute; between = pasted, then drawn anew from that share of the steps on, each sample its own share "
        "up to this; 1 = drawn freely. Also by defect type, with a default: {crack: 0.3, default: 0}; or auto: chosen "
        "by what helps a small segmenter on shots that it has not seen, which takes minutes. Not named: 0, or 1 where "
        "nothing can be pasted (masks, mask_mode: predict, preserve_background: false).",
    )
    mixes: dict[str, dict[str, Share]] = _field(
        {},
        "New defect types between those of the shots: by the name of each, weights of two or more types that sum to 1, "
        "such as {crack_hole: {crack: 0.5, hole: 0.5}}; always drawn, with a freedom of 0.5 at least.",
    )
    checkpoint_every: int = _field(100, "Updates between two checkpoints.", "updates", ge=1)
    draw_batch: int = _field(8, "Samples drawn together; part of what makes a draw repeatable.", "samples", ge=1)
    steps: int = _field(25, "DPM-Solver++ steps.", "steps", ge=2)
    guidance: float = _field(3.0, "Classifier-free guidance scale.", ge=0)
    start_amplitude: float = _field(0.0683, "Share of the good image left in the start noise.", ge=0, lt=1)
    mask_mode: Literal["predict", "request"] = _field("request", "Read the mask off the drawing, or ask for one first.")
    mask_threshold: float = _field(0.5, "Mask-head probability above which a pixel is defect.", gt=0, lt=1)
    mask_steps: int = _field(2, "Last steps over which the mask head's probability is averaged.", "steps", ge=1)
    preserve_background: bool = _field(True, "Keep the good image untouched away from the mask.")
    feather: float = _field(
        0.02, "Width over which a drawing fades into the good image.", "share of the window", ge=0, le=0.5
    )
    final_sigma: Literal["zero", "sigma_min"] = _field("zero", "Noise level at which the solver ends.")
    placement: Trust = PLACEMENT
    turn: Turn = TURN
    severity: Severity = SEVERITY
    legal_region: Path | None = _field(
        None, "Image that is white where defects may lie; stretched to each good image; none = the whole product."
    )
    masks: Path | None = _field(
        None, "Folder of masks to draw defects under, in one sub-folder a defect type; none = made from the shots'."
    )

    @model_validator(mode="before")
    @classmethod
    def _lay_parity_under(cls, data: Any) -> Any:
        return {**PARITY, **data} if isinstance(data, dict) and data.get("parity") is True else data

    @model_validator(mode="before")
    @classmethod
    def _draw_where_nothing_can_be_pasted(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "freedom" in data:
            return data
        whole = data.get("mask_mode") == "predict" or data.get("preserve_background") is False
        return {**data, "freedom": 1.0} if whole or data.get("masks") is not None else data

    @field_validator("mixes")
    @classmethod
    def _mixes_are_whole(cls, mixes: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, weights in mixes.items():
            if len(weights) < 2 or not all(weights.values()) or abs(sum(weights.values()) - 1) > 1e-6:
                raise ValueError(f"{name} needs weights above 0 of two or more defect types, which sum to 1")
            if name == OTHERS or not name.strip():
                raise ValueError(f"{name!r} cannot name a defect type")
        return mixes

    @model_validator(mode="after")
    def _whole_windows_are_drawn_freely(self) -> SeasConfig:
        whole = self.mask_mode == "predict" or not self.preserve_background
        if whole and self.freedom != 1:
            raise ValueError(
                "mask_mode: predict and preserve_background: false draw whole windows, which nothing is pasted in: "
                "set freedom: 1"
            )
        if self.masks is not None and 0 in self.limits:
            raise ValueError("nothing can be pasted under masks of yours: set freedom above 0")
        return self

    @property
    def limits(self) -> tuple[float, ...]:
        """The values of `freedom`, whichever types they are for; of `auto` all that there may be."""
        mixed = (LEAST,) if self.mixes else ()
        if isinstance(self.freedom, str):
            return CANDIDATES + mixed
        return (*(self.freedom.values() if isinstance(self.freedom, dict) else (float(self.freedom),)), *mixed)

    @property
    def draws_strips(self) -> bool:
        """Whether long and thin defects are learnt and drawn in several windows."""
        return self.zoom and self.preserve_background and self.mask_mode == "request"

    def resolved(self, unet_parameters: int, resolution: int) -> SeasSettings:
        """Every open choice made, for a U-Net of this size and the base's own resolution."""
        table = LORA if self.unet_mode == "lora" else FULL_BASE if unet_parameters >= FULL_SIZE else SMALL_BASE
        chosen = {name: value for name, value in self.model_dump().items() if value is not None}
        return SeasSettings.model_validate({**table, "resolution": resolution, **chosen})


class SeasSettings(SeasConfig):
    """What training and drawing read: a `SeasConfig` in which nothing is left open for the base to decide."""

    resolution: int
    lr_unet: float
    lr_tokens: float
    warmup_updates: int
    ema_decay: float
    noise_focus: float
    weight_defect: float
