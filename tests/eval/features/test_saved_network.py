"""Networks that somebody else saved: whatever is wrong with the folder is one EvalError that names it, found before
anything of it is run, fetched or built."""

import json
import os
import shutil
import socket
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval import features
from eval.segmenters import SEGMENTERS, configure
from synth.errors import EvalError

BACKBONE = ("config.json", "model.safetensors", "preprocessor_config.json")
SETTINGS = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"shortest_edge": 48}}


def open_backbone(folder: Path) -> None:
    features.create(str(folder))


def open_segformer(folder: Path) -> None:
    SEGMENTERS["segformer"][1](configure("segformer", weights=str(folder)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Folders `backbone`, `transformer` and `segformer`."""
    from transformers import (
        Dinov2Config,
        Dinov2Model,
        ResNetBackbone,
        ResNetConfig,
        SegformerConfig,
        SegformerForSemanticSegmentation,
    )

    folder = tmp_path_factory.mktemp("networks")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
        ResNetBackbone(small).save_pretrained(folder / "backbone")
        blocks = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=48, patch_size=8)
        Dinov2Model(blocks).save_pretrained(folder / "transformer")
        sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
        plan = SegformerConfig(**sizes, decoder_hidden_size=16, num_labels=5)
        SegformerForSemanticSegmentation(plan).save_pretrained(folder / "segformer")
    for kind in ("backbone", "transformer"):
        (folder / kind / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    return folder


@pytest.fixture
def folders(saved, tmp_path, monkeypatch) -> Path:
    """The same, of the test's own, on a machine without a network."""

    def refused(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)
    return Path(shutil.copytree(saved, tmp_path / "networks"))


def change(path: Path, **entries: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


KINDS = {"backbone": open_backbone, "transformer": open_backbone, "segformer": open_segformer}
DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a list": lambda path: path.write_text("[]"),
    "nothing": lambda path: path.write_text("null"),
    "an empty object": lambda path: path.write_text("{}"),
    "deeply nested": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_every_damaged_file_is_named(how, kind, saved, folders):
    for path in sorted((folders / kind).iterdir()):
        DAMAGES[how](path)
        with pytest.raises(EvalError, match=kind):
            KINDS[kind](folders / kind)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copy(saved / kind / path.name, path)
    KINDS[kind](folders / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_another_kind_are_an_error_or_do_no_harm(kind, folders):
    values = (None, [], {}, "org/model", -1, 0, 1e300, 10**400, [["a"]], {"a": {"b": "c"}})
    for path in (folders / kind).glob("*.json"):
        whole = json.loads(path.read_text())
        for number, key in enumerate(whole):
            value = values[number % len(values)]
            path.write_text(json.dumps({**whole, key: value}))
            assert _opens_or_is_refused(kind, folders), (path.name, key, value)
        path.write_text(json.dumps(whole))


def _opens_or_is_refused(kind: str, folders: Path) -> bool:
    try:
        KINDS[kind](folders / kind)
    except EvalError as error:
        return kind in str(error)
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "entries",
    [
        {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}},
        {"auto_map": {"AutoConfig": "org/repo--evil.Evil"}, "model_type": "evil"},
        {"quantization_config": {"quant_method": "evil"}},
        {"_attn_implementation": "org/kernel"},
        {"model_type": "timm_backbone", "backbone": "resnet18"},
        {"model_type": ["resnet"]},
        {"depths": [100_000, 1, 1, 1]},
        {"depths": [1] * 100_000},
        {"num_hidden_layers": 100_000, "model_type": "dinov2"},
        {"hidden_sizes": [199_999] * 4, "hidden_size": 199_999},
        {"hidden_sizes": [10**12, 8, 8, 8]},
    ],
    ids=lambda entries: "-".join(entries),
)
def test_code_fetching_and_endless_sizes_are_refused_at_once(entries, kind, folders, tmp_path):
    marker = tmp_path / "ran"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nclass Evil: pass\n"
    (folders / kind / "evil.py").write_text(code)
    change(folders / kind / "config.json", **entries)
    began = time.perf_counter()
    with pytest.raises(EvalError, match=f"{kind}/"):
        KINDS[kind](folders / kind)
    assert time.perf_counter() - began < 3
    assert not marker.exists()


def test_an_adapter_beside_a_network_is_not_followed(folders):
    (folders / "backbone/adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/model"}))
    open_backbone(folders / "backbone")


@pytest.mark.parametrize("kind", KINDS)
def test_pickled_weights_are_refused_by_name_with_what_to_do(kind, folders):
    (folders / kind / "model.safetensors").rename(folders / kind / "pytorch_model.bin")
    with pytest.raises(EvalError, match=r"pytorch_model\.bin is pickled.*convert it to model\.safetensors"):
        KINDS[kind](folders / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_missing_are_named(kind, folders):
    path = folders / kind / "model.safetensors"
    weights = load_file(path)
    first = next(name for name in weights if "decode_head" not in name)
    save_file({name: value for name, value in weights.items() if name != first}, path)
    with pytest.raises(EvalError, match="lacks the weights"):
        KINDS[kind](folders / kind)


def test_a_head_for_other_classes_is_trained_anew(folders):
    from transformers import SegformerForSemanticSegmentation

    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = SEGMENTERS["segformer"][1](configure("segformer", weights=str(folders / "segformer"))).eval()
    assert network(torch.zeros(1, 3, 64, 64))[0].shape == (1, 1, 64, 64)
    stock = SegformerForSemanticSegmentation.from_pretrained(str(folders / "segformer"), local_files_only=True)
    kept = network.network.state_dict()
    others = {name for name, value in stock.state_dict().items() if not torch.equal(value, kept[name])}
    assert others == {"decode_head.classifier.weight", "decode_head.classifier.bias"}


@pytest.mark.parametrize(
    "entries",
    [
        {"image_mean": [0.5, 0.5]},
        {"image_mean": "0.5"},
        {"image_mean": [0.5, 0.5, None]},
        {"image_std": [0.25, 0.25, 0]},
        {"size": {"shortest_edge": 10**9}},
        {"size": {}},
        {"size": None},
        {"crop_size": "48"},
    ],
)
def test_a_preprocessing_that_no_image_can_have_is_named(entries, folders):
    change(folders / "backbone/preprocessor_config.json", **entries)
    with pytest.raises(EvalError, match=r"preprocessor_config\.json"):
        open_backbone(folders / "backbone")


@pytest.mark.parametrize("kind", ["backbone", "transformer"])
def test_the_identity_follows_the_weights_and_settings_and_not_who_wrote_them(kind, folders):
    def identity() -> str:
        return features.create(str(folders / kind)).identity

    first = identity()
    change(folders / kind / "config.json", transformers_version="99.0", _name_or_path="elsewhere")
    assert identity() == first
    assert features.create(str(folders / kind), levels=[0]).identity != first
    change(folders / kind / "preprocessor_config.json", image_mean=[0.4] * 3)
    second = identity()
    assert second != first
    path = folders / kind / "model.safetensors"
    weights = load_file(path)
    next(iter(weights.values())).add_(1)
    save_file(weights, path)
    assert identity() not in (first, second)
