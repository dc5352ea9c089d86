"""Networks saved by transformers, in a folder or on the Hub, as feature networks: vision transformers by their blocks,
ConvNeXt, ResNet, Swin and others with a Backbone class by their stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import MODEL_FOR_BACKBONE_MAPPING

from eval.features import preprocessing, vision_transformer
from eval.features.network import FeatureMaps, FeatureNetwork, averaged, chosen, fingerprint
from eval.features.preprocessing import Preprocessing
from eval.features.saved_network import described, open_network, require_trained, saved_folder
from synth.errors import EvalError
from synth.io.model_files import read_json

_WANTED = (
    "tiny_base, efficientnet_lite0, random, FILE.onnx, the folder of a network saved by transformers, or a Hub id such "
    "as facebook/dinov2-small"
)
_STARTS_AT_ONE = "hidden_states_norms"
"""Norms that only the Backbone classes have; classifiers are saved without them."""


def load_pretrained(name: str, levels: Sequence[int] | None = None) -> FeatureNetwork:
    """The network saved in the folder `name`, or with that Hub id; levels: blocks of a vision transformer, else stages,
    0 being the stem. EvalError where there is none, no class for it here, or a file of it is damaged or of another
    kind."""
    folder = saved_folder(name, [preprocessing.FILE], _WANTED)
    prepare = preprocessing.read_preprocessing(folder)
    if str(read_json(folder / "config.json", EvalError).get("model_type")) in vision_transformer.KINDS:
        return vision_transformer.load(folder, Path(name).name, prepare, levels)
    return _load_backbone(folder, Path(name).name, prepare, levels)


def _load_backbone(folder: Path, name: str, prepare: Preprocessing, levels: Sequence[int] | None) -> FeatureNetwork:
    def stages(config: Any) -> dict[str, Any]:
        count = len(config.stage_names)
        return {"out_indices": list(chosen(levels, count, (count - 2, count - 1), name, "stage"))}

    saved = open_network(folder, lambda config: MODEL_FOR_BACKBONE_MAPPING[type(config)], stages)
    require_trained(saved, folder, (_STARTS_AT_ONE,))
    network = saved.network

    def maps(pixels: Tensor) -> FeatureMaps:
        return averaged(network(prepare(pixels)).feature_maps)

    used = {"levels": network.config.out_indices}
    return FeatureNetwork(
        name, prepare.side, maps, identity=fingerprint(described(folder) | prepare.settings() | used, {})
    )
