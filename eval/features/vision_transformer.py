"""Vision transformers of transformers as feature networks: DINO (ViT), DINOv2 with or without registers, DINOv3.

A level is the output of a block under the network's final LayerNorm, which RAD (arXiv 2601.22763) and MuSc-V2 (arXiv
2511.10047) put on every block that they use; class and register tokens are left out of it. Position embeddings are
interpolated where an image is not of the size that the network was trained at. Blocks after the last one that is used
are not loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import MODEL_MAPPING

from eval.features.network import FeatureMaps, FeatureNetwork, chosen, fingerprint, thirds
from eval.features.preprocessing import Preprocessing
from eval.features.saved_network import described, open_network, require_trained
from synth.errors import EvalError

KINDS = {
    "vit": "layers",
    "dinov2": "encoder.layer",
    "dinov2_with_registers": "encoder.layer",
    "dinov3_vit": "model.layer",
}
"""Model type -> where its blocks are."""
_INTERPOLATES_WHEN_ASKED = "vit"
_UNUSED = ("pooler.", "mask_token")
"""Weights that features do not depend on; some files lack them."""


def load(folder: Path, name: str, prepare: Preprocessing, levels: Sequence[int] | None) -> FeatureNetwork:
    """The transformer in a checked folder; levels: of its blocks, the last of each third unless others are given."""
    taps: tuple[int, ...] = ()

    def shortened(config: Any) -> dict[str, Any]:
        nonlocal taps
        depth = config.num_hidden_layers
        taps = chosen(levels, depth, thirds(depth), name, "block")
        return {"num_hidden_layers": taps[-1] + 1}

    saved = open_network(folder, lambda config: MODEL_MAPPING[type(config)], shortened)
    require_trained(saved, folder, _UNUSED)
    network, config = saved.network, saved.network.config
    if not isinstance(config.patch_size, int):
        raise EvalError(f"{folder / 'config.json'}: patch_size is {config.patch_size!r}, wanted one number of px")
    blocks = network.get_submodule(KINDS[config.model_type])
    norm = network.norm if config.model_type == "dinov3_vit" else network.layernorm
    extra = {"interpolate_pos_encoding": True} if config.model_type == _INTERPOLATES_WHEN_ASKED else {}
    skipped = 1 + getattr(config, "num_register_tokens", 0)

    def maps(pixels: Tensor) -> FeatureMaps:
        grid = (pixels.shape[2] // config.patch_size, pixels.shape[3] // config.patch_size)
        tokens = [norm(output) for output in _outputs(network, [blocks[tap] for tap in taps], prepare(pixels), extra)]
        cells = [each[:, skipped:].transpose(1, 2).unflatten(2, grid) for each in tokens]
        return FeatureMaps(cells, tokens[-1][:, 0])

    identity = fingerprint(described(folder) | prepare.settings() | {"levels": taps}, {})
    return FeatureNetwork(name, prepare.side, maps, config.patch_size, identity)


def _outputs(network: nn.Module, blocks: Sequence[nn.Module], pixels: Tensor, extra: dict[str, Any]) -> list[Tensor]:
    """What these blocks return, (B, tokens, C) each, as they are: the hidden states that transformers returns are
    normed in one network and not in another."""
    found: list[Tensor] = []
    hooks = [
        block.register_forward_hook(
            lambda _module, _inputs, output: found.append(output[0] if isinstance(output, tuple) else output)
        )
        for block in blocks
    ]
    try:
        network(pixels, **extra)
    finally:
        for hook in hooks:
            hook.remove()
    return found
