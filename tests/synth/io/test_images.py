from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synth.errors import SourceError, WriterError
from synth.io import images
from synth.io.images import (
    FORMATS,
    MOST_PIXELS,
    SUFFIXES,
    content_hash,
    hash_distances,
    perceptual_hash,
    read_image,
    read_mask,
    to_eight_bits,
    turns,
    write_png,
)
from tests.synth.trees import blob, random_image, save

WAYS = [lambda a, k=k, t=t: np.rot90(a.transpose(1, 0, 2) if t else a, k) for t in (False, True) for k in range(4)]


def grey(seed: int = 0) -> np.ndarray:
    return random_image(seed)[..., 0]


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_colour_comes_back_as_it_was(tmp_path: Path, ending: str) -> None:
    options = {"lossless": True} if ending == "webp" else {}
    assert (read_image(save(tmp_path / f"a.{ending}", random_image(3), **options)) == random_image(3)).all()


def in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(grey().astype(np.uint16) * 257)
    colour = Image.fromarray(grey()).convert("RGB")
    return colour.quantize(256) if mode == "P" else colour.convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb_of_eight_bits(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    in_mode(mode).save(path, **({"quality": 95} if mode == "CMYK" else {}))
    image = read_image(path)
    assert image.shape == (37, 53, 3)
    assert image.dtype == np.uint8
    assert (image == image[..., :1]).all() or mode == "CMYK"
    tolerance = {"1": 255, "CMYK": 12, "P": 2}.get(mode, 0)
    assert np.abs(image.astype(int) - grey()[..., None]).max() <= tolerance
    assert abs(float(image.mean()) - grey().mean()) < 4


def test_alpha_is_dropped_and_the_stored_colours_stay(tmp_path: Path) -> None:
    rgba = np.dstack([random_image(1), np.zeros((37, 53), np.uint8)])
    assert (read_image(save(tmp_path / "a.png", rgba)) == random_image(1)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_and_its_mask_stand_upright_whatever_their_exif_tag(tmp_path: Path, orientation: int) -> None:
    undone = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, upright in (("a.png", random_image(2)), ("m.png", blob(2))):
        stored = np.rot90(upright, undone[0])
        stored = stored[:, ::-1] if undone[1] else stored
        save(tmp_path / name, np.ascontiguousarray(stored), exif=exif)
    assert (read_image(tmp_path / "a.png") == random_image(2)).all()
    assert (read_mask(tmp_path / "m.png", (37, 53)) == blob(2)).all()


@settings(deadline=None)
@given(st.sampled_from([255, 4095, 65535]), st.integers(0, 2**32 - 1))
def test_deep_grey_keeps_its_order_and_its_full_range(full: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, full + 1, (5, 7), dtype=np.uint16)
    values[0, 0], values[0, 1] = 0, full
    scaled = to_eight_bits(values)
    assert (scaled[0, 0], scaled[0, 1]) == (0, 255)
    assert np.abs(scaled / 255 - values / full).max() <= 0.5 / 255 + 1e-9


@pytest.mark.parametrize("array", [np.ones((3, 5), np.float32), np.full((3, 5), 70000, np.int32)])
def test_what_is_no_image_of_sixteen_bits_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"a\.tif .*export it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def painted(kind: str) -> Image.Image:
    """The mask of blob(5) in one of the ways that labelling tools write it."""
    mask = blob(5)
    grey = mask.astype(np.uint8)
    if kind == "01":
        return Image.fromarray(grey)
    if kind == "1 bit":
        return Image.fromarray(mask)
    if kind == "16 bits":
        return Image.fromarray(grey.astype(np.uint16) * 65535)
    if kind == "red":
        return Image.fromarray(np.dstack([grey * 255, grey * 0, grey * 0]))
    if kind == "palette":
        made = Image.fromarray(grey, "P")
        made.putpalette([0, 0, 0, 128, 0, 0] + [0] * 762)
        return made
    if kind == "black on transparent":
        return Image.fromarray(np.dstack([grey * 0, grey * 0, grey * 0, grey * 255]))
    if kind == "white on hidden white":
        return Image.fromarray(np.dstack([grey * 0 + 255] * 3 + [grey * 255]))
    return Image.fromarray(grey * 255)


@pytest.mark.filterwarnings("ignore:'mode' parameter")
@pytest.mark.parametrize(
    "kind", ["0 255", "01", "1 bit", "16 bits", "red", "palette", "black on transparent", "white on hidden white"]
)
def test_a_mask_is_read_however_it_is_painted(tmp_path: Path, kind: str) -> None:
    painted(kind).save(tmp_path / "m.png")
    assert (read_mask(tmp_path / "m.png", (37, 53)) == blob(5)).all()


def test_soft_edges_are_cut_in_the_middle(tmp_path: Path) -> None:
    soft = np.zeros((9, 300), np.uint8)
    soft[4, :256] = np.arange(256)
    mask = read_mask(save(tmp_path / "m.png", soft))
    assert mask[4].nonzero()[0].tolist() == list(range(128, 256))
    assert mask.sum() == 128


def test_a_jpeg_of_a_mask_is_the_mask(tmp_path: Path) -> None:
    mask = np.zeros((64, 91), bool)
    mask[20:40, 30:60] = True
    assert (read_mask(save(tmp_path / "m.jpg", mask, quality=90)) == mask).all()


def test_a_blank_mask_is_all_false(tmp_path: Path) -> None:
    assert not read_mask(save(tmp_path / "m.png", np.zeros((37, 53), np.uint8))).any()


def classes(kind: str) -> np.ndarray:
    array = np.zeros((37, 53, 3), np.uint8)
    one, two = (slice(2, 12), slice(3, 20)), (slice(15, 30), slice(25, 50))
    if kind == "colours":
        array[one], array[two] = (255, 0, 0), (0, 255, 0)
        return array
    array[one], array[two] = {"grey levels": (60, 255), "class numbers": (1, 2)}[kind]
    return array[..., 0]


@pytest.mark.parametrize("kind", ["colours", "grey levels", "class numbers"])
def test_a_mask_of_several_classes_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "m.png", classes(kind))
    with pytest.raises(SourceError, match=r"m\.png .*one file for each defect type"):
        read_mask(tmp_path / "m.png")


def test_a_photo_in_place_of_a_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"m\.png does not look like a mask .*swapped"):
        read_mask(save(tmp_path / "m.png", random_image(1)))


@pytest.mark.parametrize(("size", "remedy"), [((53, 37), "by 90 degrees"), ((36, 53), "at the size of the image")])
def test_a_mask_of_another_size_names_both_sizes(tmp_path: Path, size: tuple[int, int], remedy: str) -> None:
    save(tmp_path / "m.png", blob(1))
    with pytest.raises(SourceError, match=f"37 x 53 .*{size[0]} x {size[1]} .*{remedy}"):
        read_mask(tmp_path / "m.png", size)


def test_a_png_comes_back_bit_for_bit_and_leaves_no_other_file(tmp_path: Path) -> None:
    for name, array in (("a.png", random_image(1)), ("g.png", grey(2)), ("m.png", blob(3))):
        write_png(tmp_path / "new" / name, array)
        back = np.asarray(Image.open(tmp_path / "new" / name))
        assert (back == (array * 255 if array.dtype == np.bool_ else array)).all()
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.png", "g.png", "m.png"]


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / "a.png", random_image(1))

    def full(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(WriterError, match=r"a\.png cannot be written: the disk is full .*free some space"):
        write_png(tmp_path / "a.png", random_image(2))
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (read_image(tmp_path / "a.png") == random_image(1)).all()


def test_content_hash_is_of_pixels_and_shape_not_of_the_file(tmp_path: Path) -> None:
    image = random_image(1)
    assert content_hash(save(tmp_path / "a.png", image)) == content_hash(save(tmp_path / "a.bmp", image))
    assert content_hash(image) == content_hash(tmp_path / "a.png")
    changed = image.copy()
    changed[5, 7, 1] ^= 1
    assert len({content_hash(a) for a in (image, changed, image.reshape(53, 37, 3), image.swapaxes(0, 1))}) == 4


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(150, 300), st.integers(150, 300), st.integers(0, 7), st.integers(70, 95))
def test_a_copy_is_near_and_another_image_far(seed: int, height: int, width: int, way: int, quality: int) -> None:
    image = random_image(seed, height, width)
    buffer = io.BytesIO()
    smaller = Image.fromarray(np.ascontiguousarray(WAYS[way](image)))
    smaller = smaller.resize((int(smaller.width * 0.8), int(smaller.height * 0.8)), Image.Resampling.BICUBIC)
    smaller.save(buffer, "JPEG", quality=quality)
    copy = np.array(Image.open(buffer).convert("RGB"))
    hashes = np.stack([perceptual_hash(a) for a in (image, copy, random_image(seed + 1, height, width))])
    distances = hash_distances(hashes[:1], hashes)[0]
    assert distances[0] < 0.05
    assert distances[1] < 1
    assert distances[2] > 20


def test_hash_distances_agree_with_longhand() -> None:
    rng = np.random.default_rng(4)
    first, second = (rng.integers(0, 256, (n, 32, 32), dtype=np.uint8) for n in (3, 5))
    longhand = [
        [min(np.sqrt(np.mean((way.astype(float) - b) ** 2)) for way in turns(a)) for b in second] for a in first
    ]
    assert np.allclose(hash_distances(first, second), longhand, atol=0.01)
    assert len({way.tobytes() for way in turns(first[0])}) == 8


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 53 37\n%%EndComments\n0 0 53 37 rectfill\nshowpage\n%%EOF\n"
OTHERS = ("DDS", "ICO", "PCX", "SGI", "TGA", "IM", "MSP", "SPIDER", "ICNS", "DIB", "QOI", "AVIF")
"""Formats of Pillow that no suffix of ours names, and that it can write."""


@pytest.mark.parametrize("ending", SUFFIXES)
def test_no_file_starts_another_program_whatever_its_name(tmp_path, monkeypatch, ending):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    for name in ("Popen", "run", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, refuse)
    (tmp_path / f"a{ending}").write_bytes(EPS)
    for reader in (read_image, read_mask):
        with pytest.raises(SourceError, match=r"cannot be read as an image \(its format is unknown\)"):
            reader(tmp_path / f"a{ending}")


@pytest.mark.parametrize("form", OTHERS)
def test_a_format_that_is_not_asked_for_is_unknown(tmp_path, form):
    buffer = io.BytesIO()
    try:
        Image.fromarray(random_image(1, 64, 64)).convert("1" if form == "MSP" else "RGB").save(buffer, form)
    except (OSError, KeyError):
        pytest.skip(f"this Pillow writes no {form}")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    with pytest.raises(SourceError, match="format is unknown"):
        read_image(tmp_path / "a.png")
    assert form not in FORMATS


def png_of_zeros(width: int, height: int) -> bytes:
    """A grey PNG of one value, a hundredth of a byte a pixel."""
    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(b"\0" * (width + 1)) for _ in range(height)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(13_000, 13_000), (12_000, 9_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None])
@pytest.mark.parametrize("reader", [read_image, read_mask])
def test_an_image_of_too_many_pixels_is_refused_before_they_are_unpacked(tmp_path, monkeypatch, reader, limit, size):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    content = png_of_zeros(100, 100).replace(struct.pack(">II", 100, 100), struct.pack(">II", *size), 1)
    head = content[12:29]
    (tmp_path / "a.png").write_bytes(content[:29] + struct.pack(">I", zlib.crc32(head)) + content[33:])
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("its pixels were unpacked"))
    began = time.process_time()
    with pytest.raises(SourceError, match=r"a\.png has more than 89 million pixels.*; cut it into tiles or scale it"):
        reader(tmp_path / "a.png")
    assert time.process_time() - began < 1


def test_an_image_is_compared_with_the_memory_of_the_machine(tmp_path, monkeypatch):
    save(tmp_path / "a.png", random_image(1))
    monkeypatch.setattr(images, "machine_memory", lambda: 2 * 37 * 53 * images.BYTES_A_PIXEL)
    assert read_image(tmp_path / "a.png").shape == (37, 53, 3)
    monkeypatch.setattr(images, "machine_memory", lambda: 37 * 53 * images.BYTES_A_PIXEL)
    with pytest.raises(SourceError, match=r"a\.png would take .* more than half of the memory .*; scale it down"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr(images, "machine_memory", lambda: None)
    assert read_image(tmp_path / "a.png").shape == (37, 53, 3)


PEAK = """
import resource, sys
import synth.io.images as images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = images.read_mask if sys.argv[1].endswith("mask.png") else images.read_image
read(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("kind", ["colour.png", "deep.png", "mask.png"])
def test_the_memory_an_image_takes_is_as_declared(tmp_path, kind):
    height, width = 2100, 2300
    array = {
        "colour.png": np.full((height, width, 3), (255, 0, 0), np.uint8),
        "deep.png": (np.arange(height * width) % 65536).astype(np.uint16).reshape(height, width),
        "mask.png": np.full((height, width, 3), (255, 0, 0), np.uint8),
    }[kind]
    path = save(tmp_path / kind, array, compress_level=1)
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < images.BYTES_A_PIXEL * height * width < images.BYTES_A_PIXEL * MOST_PIXELS
