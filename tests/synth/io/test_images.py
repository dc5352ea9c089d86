"""Images as cameras write them: every mode, every depth, every way of laying them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synth.errors import SourceError, WriterError
from synth.io.images import content_hash, read_image, read_mask, to_eight_bits, write_png
from tests.synth.trees import blob, random_image, save


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


@pytest.mark.parametrize("array", [np.full((3, 5), 1.5, np.float32), np.full((3, 5), 70000, np.int32)])
def test_what_is_no_image_of_sixteen_bits_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"a\.tif .*export it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


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
