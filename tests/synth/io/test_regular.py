"""Pipes, sockets, devices, folders, sparse giants and impossible names in the place of every file that is read."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.checks.ledger import read_ledger
from synth.errors import SourceError
from synth.io.images import read_image, read_mask
from synth.io.points import CLOUDS, MESHES, read_ply, read_points
from synth.parts import read_parts
from synth.pipeline.inspect import inspect
from synth.sources import read
from synth.sources.clouds import list_clouds
from synth.sources.eyecandies_depth import read_depth
from synth.sources.scans import read_scan
from synth.sources.split_file import read_split_file
from tests.synth.io.test_broken_files import DEPTH
from tests.synth.trees import folder_tree

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")

READERS: dict[str, Callable[[Path], Any]] = {
    "a.png": read_image,
    "mask.png": read_mask,
    "a.tiff": read_scan,
    **{f"a{ending}": read_points for ending in CLOUDS + MESHES},
    "own.ply": read_ply,
    "a_depth.png": read_depth,
    "a_info_depth.yaml": lambda path: read_depth(path.with_name("a_depth.png")),
    "split.json": read_split_file,
    "parts.json": read_parts,
    "ledger.parquet": read_ledger,
}


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a named pipe": (os.mkfifo, "is a named pipe, not a file"),
    "a socket": (bound_socket, "is a socket, not a file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    "a folder": (Path.mkdir, "is a folder, not a file"),
    "a sparse terabyte": (sparse, "more than the .* MiB that are read"),
    "nothing": (lambda path: path.touch(), "is empty"),
}


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Stop what waits for ever."""

    def stop(*_: object) -> None:
        raise TimeoutError("it still waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_refused_by_name(tmp_path, monkeypatch, name, what):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make, words = PLACES[what]
    if name.endswith(".yaml"):
        Path("a_depth.png").write_bytes(DEPTH())
    elif name == "a_depth.png":
        Path("a_info_depth.yaml").write_text("normalization: {min: 0.3, max: 0.7}")
    make(Path(name))
    with pytest.raises(SourceError, match=rf"^{name} .*{words}.*; ") as raised:
        READERS[name](Path(name))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("reader", READERS)
def test_a_name_that_no_file_can_have_is_refused_and_printable(tmp_path, reader, name):
    ending = Path(reader).suffix
    stem = name if "_" not in reader else f"{name}_{reader.partition('_')[2].removesuffix(ending)}"
    path = tmp_path / f"{stem}{ending}"
    if reader == "parts.json":
        assert read_parts(path) is None
        return
    with pytest.raises(SourceError) as raised:
        READERS[reader](path)
    str(raised.value).encode()


def test_a_pipe_in_a_folder_is_reported_by_the_doctor_and_stops_a_read(tmp_path):
    root = folder_tree(tmp_path / "tile")
    os.mkfifo(root / "good" / "pipe.png")
    (found,) = [problem for problem in inspect(root).problems if "pipe.png" in problem.file]
    assert (found.severity, found.what) == ("error", "is a named pipe, not a file")
    with pytest.raises(SourceError, match=r"pipe\.png is a named pipe, not a file; check the name, or remove it"):
        list(read(root))


def test_a_pipe_among_texts_does_not_stop_the_search_for_clouds(tmp_path):
    for part in ("train", "test", "gt"):
        (tmp_path / "a" / part).mkdir(parents=True)
    os.mkfifo(tmp_path / "a" / "train" / "a_template.txt")
    assert [entry.file.name for entry in list_clouds(tmp_path).entries] == ["a_template.txt"]


OBJ = "mtllib {}\nusemtl m\nv 0 0 0\nv 20 0 0\nv 0 20 0\nf 1 2 3\n"


@pytest.mark.parametrize("named", ["m.mtl", "../m.mtl", "/dev/zero"])
def test_what_a_mesh_names_is_not_opened(tmp_path, named):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.obj").write_text(OBJ.format(named))
    for place in (tmp_path, tmp_path / "in"):
        os.mkfifo(place / "m.mtl")
    assert np.isfinite(read_points(tmp_path / "in" / "a.obj", 200).points).all()


def test_a_mesh_that_keeps_its_points_elsewhere_is_refused(tmp_path):
    import trimesh

    content = trimesh.creation.box((20, 20, 20)).export(file_type="gltf")
    (tmp_path / "gltf_buffer_0.bin").write_bytes(content["gltf_buffer_0.bin"])
    text = content["model.gltf"] + b" " * (-len(content["model.gltf"]) % 4)
    head = b"glTF" + (2).to_bytes(4, "little") + (20 + len(text)).to_bytes(4, "little")
    (tmp_path / "a.glb").write_bytes(head + len(text).to_bytes(4, "little") + b"JSON" + text)
    with pytest.raises(SourceError, match=r"a\.glb cannot be read .*it names gltf_buffer"):
        read_points(tmp_path / "a.glb", 200)
