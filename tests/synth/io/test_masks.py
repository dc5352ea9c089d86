"""Masks as labelling tools write them: what is read is what was meant, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from synth.errors import SourceError
from synth.io.masks import read_marks, read_mask
from tests.synth.trees import blob, random_image, save

VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128, 128, 128, 128, 64, 0, 0]


def line(seed: int, width: int = 1, height: int = 61, length: int = 83) -> np.ndarray:
    """A bool mask of a thin line, no pixel of which lies in a flat square of 3 x 3."""
    rng = np.random.default_rng(seed)
    drawn = Image.new("L", (length, height))
    (x, y), angle = rng.uniform(25, 35, 2), rng.uniform(0, 3.2)
    reach = 18 * np.array([np.cos(angle), np.sin(angle)])
    ImageDraw.Draw(drawn).line([x - reach[0], y - reach[1], x + reach[0], y + reach[1]], fill=255, width=width)
    return np.asarray(drawn) > 0


SHAPES: dict[str, Callable[[int], np.ndarray]] = {
    "blob": lambda seed: blob(seed, 61, 83),
    "line": line,
    "wide line": lambda seed: line(seed, 3),
    "both": lambda seed: line(seed) | blob(seed, 61, 83),
    "nothing": lambda seed: np.zeros((61, 83), bool),
}


def grey(value: int, kind: type = np.uint8) -> Callable[[np.ndarray], Image.Image]:
    return lambda mask: Image.fromarray(mask.astype(kind) * kind(value))


def colours(marked: tuple[int, ...], other: tuple[int, ...]) -> Callable[[np.ndarray], Image.Image]:
    return lambda mask: Image.fromarray(np.where(mask[..., None], marked, other).astype(np.uint8))


def palette(index: int, table: list[int]) -> Callable[[np.ndarray], Image.Image]:
    def paint(mask: np.ndarray) -> Image.Image:
        made = Image.fromarray(mask.astype(np.uint8) * index).convert("L")
        made = Image.frombytes("P", made.size, made.tobytes())
        made.putpalette(table + [0] * (768 - len(table)))
        return made

    return paint


MEANT = {
    **{f"grey {value}": grey(value) for value in (1, 2, 5, 60, 100, 127, 128, 200, 254, 255)},
    **{f"16 bits, {value}": grey(value, np.uint16) for value in (1, 2, 255, 300, 4095, 65535)},
    "1 bit": Image.fromarray,
    "float": grey(1, np.float32),
    **{f"VOC {index}": palette(index, VOC) for index in (1, 4, 8)},
    "palette without black": palette(1, [120, 120, 120, 6, 230, 230]),
    "black palette": palette(1, [0, 0, 0]),
    "white of a palette first": lambda mask: palette(1, [255, 255, 255, 0, 0, 0])(~mask),
    "red on black": colours((255, 0, 0), (0, 0, 0)),
    "dark red on black": colours((90, 0, 0), (0, 0, 0)),
    "red on white": colours((255, 0, 0), (255, 255, 255)),
    "blue on white": colours((30, 60, 220), (255, 255, 255)),
    "grey as colours": colours((255, 255, 255), (0, 0, 0)),
    "faint red layer": colours((255, 0, 0, 100), (0, 0, 0, 0)),
    "red layer": colours((255, 0, 0, 160), (0, 0, 0, 0)),
    "black layer": colours((0, 0, 0, 255), (0, 0, 0, 0)),
    "white layer on hidden white": colours((255, 255, 255, 255), (255, 255, 255, 0)),
    "opaque layer": colours((255, 255, 255, 255), (0, 0, 0, 255)),
    "grey with alpha": lambda mask: grey(255)(mask).convert("LA"),
}
"""Ways to write one class."""
NOTHING_TOLD = {
    *("grey 1", "grey 255", "16 bits, 1", "16 bits, 255", "16 bits, 65535", "1 bit", "float", "VOC 1", "black palette"),
    *("white of a palette first", "grey as colours", "opaque layer", "white layer on hidden white", "grey with alpha"),
}
NOT_WITHOUT_MARKS = {"red on white", "blue on white", "white of a palette first"}
"""Paper that nobody drew on is white everywhere, which may as well be a mask of the whole image."""


WAYS = [(kind, shape) for kind in MEANT for shape in SHAPES if shape != "nothing" or kind not in NOT_WITHOUT_MARKS]


@pytest.mark.parametrize(("kind", "shape"), WAYS)
def test_one_class_is_read_as_it_was_meant_however_it_is_written(tmp_path: Path, kind: str, shape: str) -> None:
    for seed in range(3):
        mask = SHAPES[shape](seed)
        MEANT[kind](mask).save(path := tmp_path / ("m.tif" if kind == "float" else f"m{seed}.png"))
        marks = read_marks(path)
        assert (marks.mask == mask).all()
        if shape != "nothing":
            assert (marks.told is None) == (kind in NOTHING_TOLD), marks.told


@pytest.mark.parametrize(
    ("kind", "told"), [("grey 5", "0, 5: 5 is"), ("VOC 8", "index 8"), ("red on white", "#ff0000")]
)
def test_an_unusual_value_is_told(tmp_path: Path, kind: str, told: str) -> None:
    MEANT[kind](blob(1)).save(tmp_path / "m.png")
    assert told in str(read_marks(tmp_path / "m.png").told)


def classes(*values: object, shape: str = "blob", other: object = 0) -> np.ndarray:
    """Marks of several values, apart from each other, on `other`."""
    array = np.zeros((61, 83, *np.shape(other)), np.uint8)
    array[:] = other
    for place, value in enumerate(values):
        top = 3 + 20 * place
        if shape == "blob":
            array[top : top + 9, 5 + 9 * place : 40 + 9 * place] = value
        else:
            array[top, 5:60] = value
    return array


SEVERAL = {
    "1 and 2": classes(1, 2),
    "thin 1 and 2": classes(1, 2, shape="line"),
    "5 and 255": classes(5, 255),
    "thin 5 and 255": classes(5, 255, shape="line"),
    "ignored 128": classes(128, 255),
    "thin ignored 128": classes(128, 255, shape="line"),
    "60 and 255": classes(60, 255),
    "three": classes(80, 160, 240),
    "no black": classes(255, other=128),
    "no black, three": classes(255, 200, other=128),
    "red and green": classes((255, 0, 0), (0, 255, 0), other=(0, 0, 0)),
    "red and dark green": classes((255, 0, 0), (0, 90, 0), other=(0, 0, 0)),
    "red and thin dark green": classes((255, 0, 0), (0, 90, 0), shape="line", other=(0, 0, 0)),
    "red and green on white": classes((255, 0, 0), (0, 255, 0), other=(255, 255, 255)),
    "red, black, white": classes((255, 0, 0), (0, 0, 0), other=(255, 255, 255)),
    "two colours": classes((253, 231, 36), other=(68, 1, 84)),
}
"""What does not say which pixels are the defect."""


@pytest.mark.parametrize("kind", SEVERAL)
def test_what_is_not_sure_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "m.png", SEVERAL[kind])
    with pytest.raises(SourceError, match=r"m\.png .*; .*one file for each defect type"):
        read_mask(tmp_path / "m.png")
    with pytest.raises(SourceError, match=r"source\.mask_values"):
        read_marks(tmp_path / "m.png", remedy="say it in source.mask_values")


@pytest.mark.parametrize("value", [2, 60, 128, 200])
def test_a_small_mark_of_another_value_is_a_class_of_its_own(tmp_path: Path, value: int) -> None:
    array = np.zeros((200, 300), np.uint8)
    array[20:180, 20:280] = 255
    array[3:8, 5:10] = value
    with pytest.raises(SourceError, match="class numbers"):
        read_mask(save(tmp_path / "m.png", array))


def test_a_small_mark_of_another_colour_is_a_class_of_its_own(tmp_path: Path) -> None:
    array = np.zeros((200, 300, 3), np.uint8)
    array[20:180, 20:280] = 255
    array[5:9, 5:10] = (255, 0, 0)
    with pytest.raises(SourceError, match="several classes"):
        read_mask(save(tmp_path / "m.png", array))


@pytest.mark.parametrize("classes_of", [(60, 255), (128, 255)])
@pytest.mark.parametrize("quality", [60, 80, 95])
def test_classes_are_seen_through_the_noise_of_a_jpeg(
    tmp_path: Path, quality: int, classes_of: tuple[int, int]
) -> None:
    array = np.zeros((128, 160), np.uint8)
    array[10:50, 10:70], array[70:120, 60:140] = classes_of
    with pytest.raises(SourceError, match="class numbers"):
        read_mask(save(tmp_path / "m.jpg", array, quality=quality))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 255), min_size=1, max_size=3), st.integers(0, 999), st.sampled_from(["line", "wide line"])
)
def test_a_lit_mask_never_reads_as_blank(tmp_path_factory: pytest.TempPathFactory, values, seed, shape) -> None:
    array = np.zeros((61, 83), np.uint8)
    for place, value in enumerate(values):
        array[SHAPES[shape](seed + place)] = value
    save(path := tmp_path_factory.mktemp("m") / "m.png", array)
    with suppress(SourceError):
        assert read_mask(path).any()
        return
    assert len(set(values)) > 1


@pytest.mark.parametrize("quality", [10, 30, 75, 95])
@pytest.mark.parametrize("shape", ["wide line", "both"])
def test_the_noise_of_a_jpeg_is_no_mark(tmp_path: Path, quality: int, shape: str) -> None:
    for seed in range(5):
        mask = SHAPES[shape](seed)
        found = read_mask(save(tmp_path / f"{seed}.jpg", mask, quality=quality))
        # A line of one pixel in a JPEG of quality 10 is half gone.
        assert (found & mask).sum() / (found | mask).sum() > (0.99 if quality > 30 else 0.8)


@pytest.mark.parametrize("colour", [None, (255, 0, 0)])
@pytest.mark.parametrize("value", [100, 255])
def test_soft_edges_are_cut_half_way(tmp_path: Path, value: int, colour: tuple[int, ...] | None) -> None:
    large = np.zeros((37 * 5, 53 * 5), np.uint8)
    large[33:98, 42:181] = value
    soft = np.asarray(Image.fromarray(large).resize((53, 37), Image.Resampling.BOX))
    array = soft if colour is None else (soft[..., None] * (np.array(colour) / 255)).round().astype(np.uint8)
    marks = read_marks(save(tmp_path / "m.png", array))
    assert (marks.mask == (soft > (127 if value == 255 else 50))).all()
    assert "soft edges" in str(marks.told)


def test_an_unused_alpha_channel_hides_no_mark(tmp_path: Path) -> None:
    array = np.dstack([np.repeat(blob(1)[..., None] * np.uint8(255), 3, -1), np.zeros((37, 53), np.uint8)])
    with pytest.raises(SourceError, match="transparent everywhere"):
        read_mask(save(tmp_path / "m.png", array))
    assert not read_mask(save(tmp_path / "m.png", np.zeros((37, 53, 4), np.uint8))).any()


def chosen(content: Image.Image, values: tuple[int | str, ...], folder: Path) -> np.ndarray:
    content.save(folder / "m.png")
    return read_marks(folder / "m.png", values).mask


def test_the_values_that_a_recipe_names_are_the_defect(tmp_path: Path) -> None:
    array = classes(1, 5, 255)
    for values in ((5,), (1, 255), (0,)):
        assert (chosen(Image.fromarray(array), values, tmp_path) == np.isin(array, values)).all()
        assert (chosen(Image.fromarray(array.astype(np.uint16)), values, tmp_path) == np.isin(array, values)).all()
    indices = Image.frombytes("P", (83, 61), (array % 9).astype(np.uint8).tobytes())
    indices.putpalette(VOC + [0] * (768 - len(VOC)))
    assert (chosen(indices, (5,), tmp_path) == (array == 5)).all()
    assert (chosen(indices, ("#800080",), tmp_path) == (array == 5)).all()
    red = Image.fromarray(classes((255, 0, 0), (0, 255, 0), other=(9, 9, 9)))
    assert (chosen(red, ("#00ff00",), tmp_path) == (np.asarray(red)[..., 1] == 255)).all()


@pytest.mark.parametrize("values", [(7,), ("#0000ff",)])
def test_a_mask_without_the_values_that_a_recipe_names_is_refused_and_not_blank(tmp_path: Path, values) -> None:
    with pytest.raises(SourceError, match=r"holds values 0, 5 and none of source.mask_values"):
        chosen(Image.fromarray(classes(5)), values, tmp_path)
    assert not chosen(Image.fromarray(classes()), values, tmp_path).any()


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


def test_a_photo_in_place_of_a_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"m\.png does not look like a mask .*swapped"):
        read_mask(save(tmp_path / "m.png", random_image(1)))


@pytest.mark.parametrize(("size", "remedy"), [((53, 37), "by 90 degrees"), ((36, 53), "at the size of the image")])
def test_a_mask_of_another_size_names_both_sizes(tmp_path: Path, size: tuple[int, int], remedy: str) -> None:
    save(tmp_path / "m.png", blob(1))
    with pytest.raises(SourceError, match=f"37 x 53 .*{size[0]} x {size[1]} .*{remedy}"):
        read_mask(tmp_path / "m.png", size)
