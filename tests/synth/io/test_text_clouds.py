"""Clouds as text: separators, headers and columns as programs write them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import SourceError
from synth.io.points import CloudOptions, read_cloud

SIZE = 30
RNG = np.random.default_rng(8)
POINTS = RNG.integers(-300, 300, (SIZE, 3)) / 10
NORMALS = RNG.standard_normal((SIZE, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
COLORS = RNG.integers(0, 256, (SIZE, 3))
BLOCKS = {
    "normals": (("nx", "ny", "nz"), NORMALS),
    "colours": (("r", "g", "b"), COLORS),
    "shares": (("r", "g", "b"), COLORS / 255),
}
INTENSITY = RNG.integers(-100, 1000, (SIZE, 1)) / 7


def text(columns: list[np.ndarray], separator: str, head: str = "", end: str = "") -> str:
    rows = (separator.join(f"{value:.10g}" for value in row) + end for row in np.hstack(columns))
    return (head + "\n" if head else "") + "\n".join(rows) + "\n"


def read(path, **options):
    return read_cloud(path, CloudOptions(unit="mm", **options))


def check(cloud, blocks):
    np.testing.assert_allclose(cloud.points, POINTS / 1000, atol=1e-8)
    assert cloud.labels is None
    assert (cloud.normals is not None) == ("normals" in blocks)
    assert (cloud.colors is not None) == bool({"colours", "shares"} & set(blocks))
    if "normals" in blocks:
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)
    if cloud.colors is not None:
        np.testing.assert_array_equal(cloud.colors, COLORS)


@settings(max_examples=60, deadline=None)
@given(
    suffix=st.sampled_from(["xyz", "txt", "csv", "asc", "pts"]),
    separator=st.sampled_from([" ", "\t", ",", ", ", ";", "; ", "  "]),
    header=st.sampled_from(["none", "names", "slashes", "hash", "count", "remarks", "quoted"]),
    blocks=st.sampled_from(
        [(), ("normals",), ("colours",), ("shares",), ("normals", "colours"), ("colours", "normals")]
    ),
    intensity=st.booleans(),
    end=st.sampled_from(["", "last"]),
)
def test_rows_are_read_whatever_separates_and_names_them(
    tmp_path_factory, suffix, separator, header, blocks, intensity, end
):
    names = ["x", "y", "z", *(["intensity"] if intensity else []), *(n for block in blocks for n in BLOCKS[block][0])]
    columns = [POINTS, *([INTENSITY] if intensity else []), *(BLOCKS[block][1] for block in blocks)]
    mark = separator.strip() or " "
    heads = {
        "none": "",
        "names": mark.join(names).upper(),
        "slashes": "//" + " ".join(names),
        "hash": "# " + " ".join(names),
        "count": str(SIZE),
        "remarks": "# made by hand\n# on Monday",
        "quoted": mark.join(f'"{name} [mm]"' if mark != " " else name for name in names),
    }
    path = tmp_path_factory.mktemp("text") / f"a.{suffix}"
    path.write_text(text(columns, separator, heads[header], mark if end and mark in ",;" else ""))
    check(read(path).cloud, blocks)


def test_what_columns_without_names_were_taken_for_is_told(tmp_path):
    (tmp_path / "a.xyz").write_text(text([POINTS, INTENSITY, NORMALS, COLORS / 255], " "))
    told = " | ".join(one.text for one in read(tmp_path / "a.xyz").told)
    assert "columns 5 to 7, of length 1, as normals and columns 8 to 10 as colours" in told
    assert "columns without a name that are not read: 4" in told
    assert "colours of 0..1" in told


@pytest.mark.parametrize("intensity", [RNG.integers(0, 256, (SIZE, 1)), RNG.integers(0, 2, (SIZE, 1))])
def test_a_byte_beside_colours_is_not_guessed_to_be_one(tmp_path, intensity):
    (tmp_path / "a.xyz").write_text(text([POINTS, intensity, COLORS], " "))
    assert read(tmp_path / "a.xyz").cloud.colors is None
    named = read(tmp_path / "a.xyz", columns=("x", "y", "z", "-", "r", "g", "b"))
    np.testing.assert_array_equal(named.cloud.colors, COLORS)
    (tmp_path / "a.pts").write_text(text([POINTS, intensity, COLORS], " ", str(SIZE)))
    np.testing.assert_array_equal(read(tmp_path / "a.pts").cloud.colors, COLORS)


@pytest.mark.parametrize("fourth", [np.ones((SIZE, 1)), RNG.integers(0, 2, (SIZE, 1)), INTENSITY])
def test_a_fourth_column_is_a_label_only_where_it_is_asked_for(tmp_path, fourth):
    (tmp_path / "a.xyz").write_text(text([POINTS, fourth], " "))
    assert read(tmp_path / "a.xyz").cloud.labels is None
    asked = read(tmp_path / "a.xyz", columns=("x", "y", "z", "label")).cloud
    np.testing.assert_array_equal(asked.labels, fourth[:, 0] > 0.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (text([POINTS], ";").replace(".", ","), "decimal commas"),
        (text([POINTS], " ").replace(".", ","), "decimal commas"),
        ("well\nwell\n", "begins with three numbers"),
        (text([POINTS[:, :2]], " "), "begins with three numbers"),
    ],
)
def test_text_that_is_no_cloud_is_refused_with_the_reason(tmp_path, content, words):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(SourceError, match=words):
        read(tmp_path / "a.csv")


def test_a_wrong_number_of_names_is_refused(tmp_path):
    (tmp_path / "a.xyz").write_text(text([POINTS, COLORS], " "))
    with pytest.raises(SourceError, match=r"source\.columns names 4 columns, its rows hold 6"):
        read(tmp_path / "a.xyz", columns=("x", "y", "z", "label"))


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "a.csv").write_text(text([POINTS, COLORS], ",", "x,y,z,r,g,b"), encoding="utf-8-sig")
    check(read(tmp_path / "a.csv").cloud, ("colours",))
