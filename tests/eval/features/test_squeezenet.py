"""SqueezeNet from an ONNX file that is written here, field by field."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from eval import features
from eval.features.onnx_weights import read_weights
from synth.errors import EvalError

FIRES = {2: (64, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128)}
FIRES |= {6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256), 9: (512, 64, 256)}


def varint(value: int) -> bytes:
    low = value & 127
    return bytes([low | 128]) + varint(value >> 7) if value > 127 else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, values: np.ndarray, kind: int, packed: bool = False) -> bytes:
    sizes = [varint(size) for size in values.shape]
    dims = field(1, b"".join(sizes)) if packed else b"".join(varint(1 << 3) + size for size in sizes)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, values.tobytes())


def onnx(path: Path, tensors: list[bytes]) -> Path:
    graph = field(2, b"a graph") + b"".join(field(5, each) for each in tensors)
    path.write_bytes(field(1, 8) + field(7, graph))
    return path


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    rng = np.random.default_rng(0)
    shapes = {"conv1": (64, 3, 3)}
    for number, (inputs, narrow, wide) in FIRES.items():
        shapes[f"fire{number}/squeeze1x1"] = (narrow, inputs, 1)
        shapes |= {f"fire{number}/expand1x1": (wide, narrow, 1), f"fire{number}/expand3x3": (wide, narrow, 3)}
    tensors = []
    for name, (outputs, inputs, size) in shapes.items():
        spread = np.sqrt(2 / (inputs * size * size))
        weight = (spread * rng.normal(size=(outputs, inputs, size, size))).astype(np.float16)
        tensors += [tensor(f"{name}_w_0", weight, 10), tensor(f"{name}_b_0", np.zeros(outputs, np.float16), 10)]
    return onnx(tmp_path_factory.mktemp("onnx") / "squeezenet1_1_fp16.onnx", tensors)


def test_tensors_are_read_with_name_shape_and_type(tmp_path):
    values = np.arange(300, dtype=np.float32).reshape(5, 60)
    half = np.array([[1.5], [-2.25]], np.float16)
    whole = tensor("counts", np.arange(3), 7)
    found = read_weights(onnx(tmp_path / "a.onnx", [tensor("a/b", values, 1), tensor("c", half, 10, True), whole]))
    assert sorted(found) == ["a/b", "c"]
    assert np.array_equal(found["a/b"], values)
    assert np.array_equal(found["c"], half)


def test_squeezenet_is_a_network_named_after_its_file(squeezenet):
    network = features.create(str(squeezenet))
    assert (network.name, network.side) == ("squeezenet1_1_fp16", 224)
    levels = network.maps(torch.rand(1, 3, 224, 224)).levels
    assert [tuple(level.shape[1:]) for level in levels] == [
        (128, 55, 55),
        (256, 27, 27),
        (384, 13, 13),
        (512, 13, 13),
    ]
    assert all(level.std() > 0 for level in levels)


def test_colours_enter_as_bgr_around_the_mean(squeezenet):
    network = features.create(str(squeezenet))
    mean = torch.tensor([123.0, 117.0, 104.0])[:, None, None].expand(1, 3, 224, 224) / 255
    assert network.maps(mean).levels[0].abs().max() < 1e-3


def test_another_or_a_damaged_file_is_one_clear_error(squeezenet, tmp_path):
    other = onnx(tmp_path / "other.onnx", [tensor("w", np.zeros((1, 2), np.float32), 1)])
    with pytest.raises(EvalError, match=r"has no conv1_w_0 .*: of ONNX files only"):
        features.create(str(other))
    (tmp_path / "cut.onnx").write_bytes(squeezenet.read_bytes()[:5000])
    with pytest.raises(EvalError, match="cannot be read as an ONNX model"):
        features.create(str(tmp_path / "cut.onnx"))
    with pytest.raises(EvalError, match=r"absent.onnx is not a file"):
        features.create(str(tmp_path / "absent.onnx"))


@pytest.mark.parametrize("spoil", ["shape", "nan", "missing"])
def test_a_layer_that_is_not_squeezenets_is_named(spoil, squeezenet, tmp_path):
    weights = read_weights(squeezenet)
    name = "fire7/expand3x3_w_0"
    if spoil == "shape":
        weights[name] = weights[name][:, :5]
    elif spoil == "nan":
        weights[name][3, 2, 1, 0] = np.nan
    else:
        del weights[name]
    other = onnx(tmp_path / "a.onnx", [tensor(key, values.astype(np.float16), 10) for key, values in weights.items()])
    with pytest.raises(EvalError, match=r"a\.onnx has no fire7/expand3x3_w_0 of finite numbers"):
        features.create(str(other))


def test_a_flipped_bit_of_a_header_is_an_error_or_does_no_harm(squeezenet, tmp_path):
    path, whole = tmp_path / "a.onnx", squeezenet.read_bytes()
    for place in range(120):
        for bit in (0, 3, 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 : 60_000])
            with pytest.raises(EvalError, match=r"a\.onnx"):
                features.create(str(path))


def test_files_without_end_are_refused_at_once(tmp_path):
    path = tmp_path / "a.onnx"
    for content in (bytes([255]) * (1 << 20), bytes([8]) + bytes([200]) * (1 << 20), bytes(17 << 20)):
        path.write_bytes(content)
        began = time.perf_counter()
        with pytest.raises(EvalError, match=r"a\.onnx"):
            features.create(str(path))
        assert time.perf_counter() - began < 1
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EvalError, match="is a named pipe, not a file"):
        features.create(str(path))
