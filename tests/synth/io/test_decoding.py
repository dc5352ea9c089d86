"""Files of images: their depth, the way they are laid, their size, and what is wrong with those that cannot be read."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from synth.errors import SourceError
from synth.io import decoding
from synth.io.images import FORMATS, MOST_PIXELS, SUFFIXES, read_image, read_levels, read_mask, read_photo
from synth.io.orientation import as_stored, upright
from tests.synth.trees import random_image, save

DEEP = np.random.default_rng(3).integers(0, 4096, (37, 53, 3)).astype(np.uint16)
OF_TWELVE_BITS = np.round(DEEP * (255 / 4095)).astype(np.uint8)


def netpbm(magic: str, most: int, values: np.ndarray) -> bytes:
    height, width = values.shape[:2]
    if magic in ("P2", "P3"):
        return f"{magic}\n{width} {height}\n{most}\n{' '.join(map(str, values.ravel()))}".encode()
    return f"{magic}\n{width} {height}\n{most}\n".encode() + values.astype(">u2").tobytes()


def encoded(ending: str, values: np.ndarray, *options: int) -> bytes:
    """By OpenCV, which keeps 16 bits of colours; RGB(A) or grey."""
    swapped = values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[-1]]]
    return cv2.imencode(ending, swapped, options)[1].tobytes()


def tiff(values: np.ndarray, **options: object) -> bytes:
    if options.get("planarconfig") == "separate":
        values = np.moveaxis(values, -1, 0)
    tifffile.imwrite(buffer := io.BytesIO(), values, **options)
    return buffer.getvalue()


WITH_ALPHA = np.dstack([DEEP, DEEP[..., 0]])
TILES = {"strips": {}, "tiles": {"tile": (16, 32)}}
COLOURS = {
    "a.png": encoded(".png", DEEP),
    "alpha.png": encoded(".png", WITH_ALPHA),
    "a.jp2": encoded(".jp2", DEEP, cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
    "a.ppm": netpbm("P6", 65535, DEEP),
    "declared.ppm": netpbm("P6", 4095, DEEP),
    "text.ppm": netpbm("P3", 65535, DEEP),
    "lzw.tif": encoded(".tif", DEEP, cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "alpha.tif": tiff(WITH_ALPHA, photometric="rgb", extrasamples=["unassalpha"]),
    "big.tif": tiff(DEEP, photometric="rgb", bigtiff=True),
    "predicted.tif": encoded(".tif", DEEP, cv2.IMWRITE_TIFF_COMPRESSION, 8),
    **{
        f"{layout} {planes} {order} {packed}.tif": tiff(
            DEEP, photometric="rgb", planarconfig=planes, byteorder=order, compression=packed, **TILES[layout]
        )
        for layout in TILES
        for planes in ("contig", "separate")
        for order in "<>"
        for packed in (None, "zlib")
    },
}
GREYS = {
    "a.png": encoded(".png", DEEP[..., 0]),
    "a.pgm": netpbm("P5", 65535, DEEP[..., 0]),
    "declared.pgm": netpbm("P5", 4095, DEEP[..., 0]),
    "text.pgm": netpbm("P2", 65535, DEEP[..., 0]),
    "a.tif": tiff(DEEP[..., 0]),
    "big endian.tif": tiff(DEEP[..., 0], byteorder=">"),
    "signed.tif": tiff(DEEP[..., 0].astype(np.int16)),
    "signed 32.tif": tiff(DEEP[..., 0].astype(np.int32)),
    "32.tif": tiff(DEEP[..., 0].astype(np.uint32)),
    "lzw.tif": encoded(".tif", DEEP[..., 0], cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "float.tif": tiff((DEEP[..., 0] / 4095).astype(np.float32)),
}


@pytest.mark.parametrize(("name", "content"), [*COLOURS.items(), *GREYS.items()])
def test_twelve_bits_in_sixteen_keep_their_levels_in_grey_and_in_colour(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    wanted = OF_TWELVE_BITS if COLOURS.get(name) == content else OF_TWELVE_BITS[..., :1]
    photo = read_photo(tmp_path / name)
    assert (photo.image == wanted).all()
    assert photo.white == (1 if name.startswith("float") else 4095)
    assert ("white level" in photo.told) == ("declared" not in name)
    assert ("alpha" in photo.told) == ("alpha" in name)
    if not name.startswith("float"):
        cut = np.round(np.minimum(DEEP, 1023) * (255 / 1023)).astype(np.uint8)
        image, white = read_levels(tmp_path / name, 1023)
        assert white == 1023
        assert (image == (cut if wanted is OF_TWELVE_BITS else cut[..., :1])).all()
        assert "white level" not in read_photo(tmp_path / name, 1023).told


def packed(values: np.ndarray) -> bytes:
    """A grey TIFF of 12 bits a pixel without gaps, as cameras write it; an even width."""
    pairs = values.reshape(-1, 2).astype(np.uint32)
    three = (pairs[:, 0] << 12) | pairs[:, 1]
    strip = np.stack([three >> 16, three >> 8, three], -1).astype(np.uint8).tobytes()
    height, width = values.shape
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags.append((279, len(strip)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_the_depth_that_a_file_declares_is_no_guess(tmp_path):
    dark = DEEP[:, :52, 0] // 20
    (tmp_path / "a.tif").write_bytes(packed(dark))
    photo = read_photo(tmp_path / "a.tif")
    assert (photo.image[..., 0] == np.round(dark * (255 / 4095))).all()
    assert (photo.white, photo.told) == (4095, {})


REFUSED = {
    "negative.tif": (tiff(DEEP[..., 0].astype(np.int16) - 9), "values from -9 to"),
    "float.tif": (tiff(DEEP[..., 0].astype(np.float32)), "floating point numbers from 0 to .*source.white_level"),
    "nan.tif": (tiff(np.full((37, 53), np.nan, np.float32)), "floating point numbers from nan"),
    "bytes with a sign.tif": (tiff(DEEP[..., 0].astype(np.int8)), "8 bits with a sign"),
    "white is zero.tif": (tiff(DEEP[..., 0], photometric="miniswhite"), "0 is white"),
    "four.tif": (tiff(WITH_ALPHA, photometric="minisblack", planarconfig="contig"), "of a kind that is not read"),
    "raw.tif": (
        tiff(DEEP[..., 0], extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]),
        "raw file of a camera; develop it",
    ),
    "float colour.tif": (tiff(DEEP.astype(np.float32), photometric="rgb"), "of a kind that is not read"),
    "lab.tif": (tiff(DEEP.astype(np.uint8), photometric="cielab"), "colours of kind LAB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_depth_that_is_not_read_is_refused_with_what_helps(tmp_path, name):
    content, what = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} .*{what}.*; .*(export|save|develop|white_level)|{what}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize(("magic", "most"), [("P1", 1), ("P2", 15), ("P3", 15), ("P2", 255), ("P3", 255)])
def test_shallow_text_files_are_stretched_by_what_they_declare(tmp_path, magic, most):
    values = DEEP[..., 0] % (most + 1) if magic != "P3" else DEEP % (most + 1)
    content = netpbm(magic.replace("P1", "P2"), most, values)
    (tmp_path / "a.pgm").write_bytes(
        content if magic != "P1" else content.replace(b"P2", b"P1").replace(b"\n1\n", b"\n")
    )
    wanted = np.round(values * (255 / most)) if magic != "P1" else 255 - values * 255
    photo = read_photo(tmp_path / "a.pgm")
    assert (photo.image == (wanted if magic == "P3" else wanted[..., None])).all()
    assert (photo.white, photo.told) == (None, {})


def test_the_white_that_is_said_settles_files_of_several_depths(tmp_path):
    for name in ("float.tif", "declared.pgm", "a.png"):
        (tmp_path / name).write_bytes(GREYS[name])
        image, white = read_levels(tmp_path / name, 4095)
        assert (image == OF_TWELVE_BITS[..., :1]).all()
        assert white == 4095


def test_floating_point_numbers_beyond_one_are_scaled_by_the_white_that_is_said(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(DEEP[..., 0].astype(np.float32)))
    assert (read_levels(tmp_path / "a.tif", 4095)[0] == OF_TWELVE_BITS[..., :1]).all()


def turned(ending: str, values: np.ndarray, tag: int) -> bytes:
    if values.dtype == np.uint8 or (values.ndim == 2 and ending == ".png"):
        (exif := Image.Exif())[0x0112] = tag
        options = {"lossless": True} if ending == ".webp" else {}
        Image.fromarray(values).save(buffer := io.BytesIO(), ending[1:].replace("tif", "tiff"), exif=exif, **options)
        return buffer.getvalue()
    return tiff(values, photometric="rgb" if values.ndim == 3 else "minisblack", extratags=[(274, "H", 1, tag, True)])


LAID = [(".png", np.uint8, 3), (".webp", np.uint8, 3), (".tif", np.uint8, 3), (".png", np.uint8, 1)]
LAID += [(".png", np.uint16, 1), (".tif", np.uint16, 1), (".tif", np.uint16, 3), (".tif", np.uint8, 1)]


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize(("ending", "kind", "channels"), LAID)
def test_an_image_is_turned_as_its_tag_says_or_left_as_stored(tmp_path, ending, kind, channels, tag):
    stored = DEEP if kind == np.uint16 else OF_TWELVE_BITS
    stored = stored if channels == 3 else np.ascontiguousarray(stored[..., 0])
    (tmp_path / f"a{ending}").write_bytes(turned(ending, stored, tag))
    shown = OF_TWELVE_BITS if channels == 3 else np.repeat(OF_TWELVE_BITS[..., :1], 3, -1)
    photo = read_photo(tmp_path / f"a{ending}", 4095, turned=False)
    assert (photo.image == shown).all()
    assert photo.orientation == tag
    assert (read_image(tmp_path / f"a{ending}") == upright(shown, tag)).all()
    assert (as_stored(upright(shown, tag), tag) == shown).all()


JPEG = turned(".jpeg", random_image(1), 1)
ISO = b"\0\0\0\x20ftyp"
CONTENTS = {
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "Git LFS.*; .*git lfs pull"),
    "zeros.jpg": (bytes(9000), "zeros alone.*cloud.*; copy it again"),
    "page.jpg": (b"\r\n<!DOCTYPE html><html><body>Please log in", "web page.*; download the image again"),
    "drawing.png": (
        b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
        "SVG drawing; export it as PNG",
    ),
    "phone.jpg": (ISO + b"heic" + bytes(40), "HEIC.*; convert it"),
    "new.jpg": (ISO + b"avif" + bytes(40), "AVIF.*; convert it"),
    "canon.jpg": (ISO + b"crx " + bytes(40), "raw file of a camera; develop it"),
    "film.jpg": (ISO + b"isom" + bytes(40), "video; export the frames"),
    "fuji.tif": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "raw file of a camera; develop it"),
    "layers.png": (b"8BPS\0\1" + bytes(40), "Photoshop document; export it"),
    "scan.png": (b"%PDF-1.7\n", "PDF document; export"),
    "all.png": (b"PK\3\4\x14\0\0\0" + bytes(40), "is a ZIP archive; unpack it"),
    "locked.png": (b"PK\3\4\x14\0\1\0" + bytes(40), "ZIP archive with a password; unpack it"),
    "labels.png": (b'{"shapes": []}', "JSON.*; "),
    "cloud.png": (b"bplist00" + bytes(40), "placeholder.*cloud; download"),
    "xl.png": (b"\xff\x0a" + bytes(40), "JPEG XL.*; convert it to PNG"),
    "medical.png": (bytes(128) + b"DICM" + b"\2" * 40, "DICOM file; export it"),
    "array.png": (b"\x93NUMPY\1\0" + bytes(40), "array of numpy; save it as PNG"),
    "noise.png": (b"some text", "its format is unknown"),
    "cut.png": (encoded(".png", OF_TWELVE_BITS)[:2000], "cut short or damaged; copy"),
    "cut.jpg": (JPEG[: len(JPEG) // 2], "cut short or damaged; copy"),
    "cut.tif": (tiff(OF_TWELVE_BITS, photometric="rgb")[:2000], "cut short or damaged; copy"),
    "cut16.png": (COLOURS["a.png"][:9000], "cut short or damaged; copy"),
    "cut16.tif": (COLOURS["big.tif"][:9000], "; copy"),
    "cut16.ppm": (COLOURS["a.ppm"][:9000], "cut short or damaged; copy"),
    "pages.tif": (tiff(np.stack([OF_TWELVE_BITS] * 2), photometric="rgb"), "several images.*; save the one"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_helps_fits_what_is_wrong_with_a_file(tmp_path, name):
    content, what = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    for reader in (read_image, read_mask):
        with pytest.raises(SourceError, match=rf"{name} [^;]*{what}"):
            reader(tmp_path / name)


@pytest.mark.parametrize(
    ("problem", "what"),
    [
        (PermissionError(13, "Permission denied"), "may not be read .*; change its rights"),
        (OSError(5, "Input/output error"), "could not be read .*; check the disk"),
        (MemoryError(), "does not fit into the memory; cut it"),
    ],
)
def test_a_fault_of_the_disk_is_not_blamed_on_the_file(tmp_path, monkeypatch, problem, what):
    def fail(*_: object, **__: object) -> None:
        raise problem

    save(tmp_path / "a.png", random_image(1))
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(SourceError, match=rf"a\.png {what}"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_wrong_suffix_does_not_matter(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(JPEG)
    assert read_image(tmp_path / f"a{suffix}").shape == (37, 53, 3)


def test_no_library_prints_what_it_thinks_of_a_file(tmp_path, capfd):
    whole = bytearray(encoded(".tif", OF_TWELVE_BITS, cv2.IMWRITE_TIFF_COMPRESSION, 5))
    whole[200:900] = os.urandom(700)
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(SourceError):
        read_image(tmp_path / "a.tif")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


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
    with pytest.raises(SourceError, match=r"format is unknown|which is not read"):
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
@pytest.mark.parametrize("memory", [2**31, None])
@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None])
@pytest.mark.parametrize("reader", [read_image, read_mask])
def test_an_image_of_too_many_pixels_is_refused_before_they_are_unpacked(
    tmp_path, monkeypatch, reader, limit, memory, size
):
    monkeypatch.setattr(decoding, "machine_memory", lambda: memory)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    content = png_of_zeros(100, 100).replace(struct.pack(">II", 100, 100), struct.pack(">II", *size), 1)
    head = content[12:29]
    (tmp_path / "a.png").write_bytes(content[:29] + struct.pack(">I", zlib.crc32(head)) + content[33:])
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("its pixels were unpacked"))
    began = time.process_time()
    with pytest.raises(SourceError, match=r"a\.png is .* million pixels, read are up to \d+ million.*; cut it into"):
        reader(tmp_path / "a.png")
    assert time.process_time() - began < 1


def test_an_image_is_compared_with_the_memory_of_the_machine(tmp_path, monkeypatch):
    save(tmp_path / "a.png", random_image(1))
    monkeypatch.setattr(decoding, "machine_memory", lambda: 2 * 37 * 53 * decoding.BYTES_A_PIXEL)
    assert read_image(tmp_path / "a.png").shape == (37, 53, 3)
    monkeypatch.setattr(decoding, "machine_memory", lambda: 37 * 53 * decoding.BYTES_A_PIXEL)
    with pytest.raises(SourceError, match=r"a\.png is 37 x 53 .* up to 980, .*memory; cut it into tiles or scale it"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "machine_memory", lambda: None)
    assert read_image(tmp_path / "a.png").shape == (37, 53, 3)


PEAK = """
import resource, sys
import synth.io.images as images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = images.read_mask if sys.argv[1].endswith("mask.png") else images.read_image
read(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_a_large_image_is_read_where_the_memory_allows_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert read_image(save(tmp_path / "a.png", random_image(1))).shape == (37, 53, 3)
    assert Image.MAX_IMAGE_PIXELS == 500


@pytest.mark.parametrize("kind", ["colour.png", "deep.png", "deep colour.png", "mask.png"])
def test_the_memory_an_image_takes_is_as_declared(tmp_path, kind):
    height, width = 2100, 2300
    array = {
        "colour.png": np.full((height, width, 3), (255, 0, 0), np.uint8),
        "deep.png": (np.arange(height * width) % 65536).astype(np.uint16).reshape(height, width),
        "deep colour.png": (np.arange(height * width * 3) % 4096).astype(np.uint16).reshape(height, width, 3),
        "mask.png": np.full((height, width, 3), (255, 0, 0), np.uint8),
    }[kind]
    path = tmp_path / kind
    path.write_bytes(encoded(".png", array, cv2.IMWRITE_PNG_COMPRESSION, 1))
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < decoding.BYTES_A_PIXEL * height * width < decoding.BYTES_A_PIXEL * MOST_PIXELS
