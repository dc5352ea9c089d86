"""However a recipe's text is put, it loads or is refused at once, with its place and a remedy."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from synth.errors import RecipeError
from synth.recipe import load_recipe

DEEP = 3000
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
CHAIN = f"a0: &a0 {'[' * 15}{']' * 15}\n" + "".join(
    f"a{i}: &a{i} {'[' * 15}*a{i - 1}{']' * 15}\n" for i in range(1, 40)
)
REFUSED = {
    "billion laughs": (LAUGHS, 5, "more than 5000 values"),
    "many values": ("".join(f"k{i}: 1\n" for i in range(9000)), 2501, "more than 5000 values"),
    "a list that holds itself": ("a: &a [*a]", 1, r"\*a stands within what it names"),
    "a mapping that holds itself": ("seed: 1\na: &a {b: *a}", 2, r"\*a stands within what it names"),
    "a mapping merged with itself": ("a: &a {<<: *a}", 1, r"\*a stands within what it names"),
    "deep lists": ("[" * DEEP, 1, "nested more than 20 deep"),
    "deep mappings": ("{a: " * DEEP, 1, "nested more than 20 deep"),
    "deep blocks": ("\n".join(f"{' ' * i}a:" for i in range(600)), 20, "nested more than 20 deep"),
    "deep keys": ("? " * DEEP, 1, "nested more than 20 deep"),
    "depth through aliases": (CHAIN, 2, "nested more than 20 deep"),
    "a number of 5000 digits": (f"seed: {'9' * 5000}", 1, "more than 2000 characters"),
    "a long name": (f"name: {'x' * 200_000}", 1, "more than 2000 characters"),
    "half a surrogate pair": ('seed: 1\nname: "\\ud800"', 2, "no text"),
    "an escaped NUL": ('name: "\\0"', 1, "no text"),
    "an escape code": ("name: a\nseed: \x1b[31m", 2, r"U\+001B does not print"),
    "a date that is none": ("seed: 2001-13-45", 1, "'2001-13-45' is no timestamp; put quotes"),
    "a tag that does not fit": ("seed: !!int many", 1, "'many' is no int; put quotes"),
    "a tag without a value": ("seed: !!timestamp x", 1, "'x' is no timestamp; put quotes"),
    "a tag of Python": ("seed: !!python/object/apply:os.getpid []", 1, "could not determine a constructor"),
    "a list for a key": ("? [a]\n: 1", 1, "unhashable key"),
    "two documents": ("seed: 1\n---\nseed: 2", 2, "another document"),
}
FINE = {
    "an alias": ("request: {defects: &some [crack, pit], products: *some}", ("crack", "pit")),
    "a merge key": ("request: &r {products: [pit]}\nchecks: {<<: {max_area: 0.5}, max_area: 0.4}", ("pit",)),
    "a byte order mark": ("\ufeffrequest: {products: [pit]}", ("pit",)),
}


def refused(recipe: str | Path, *overrides: str) -> str:
    started = time.process_time()
    with pytest.raises(RecipeError) as raised:
        load_recipe(recipe, overrides)
    assert time.process_time() - started < 2  # 0.4 s where nothing else runs
    return str(raised.value)


@pytest.mark.parametrize("case", REFUSED)
def test_text_beyond_the_limits_is_refused_at_once_with_its_line(case, tmp_path):
    text, line, words = REFUSED[case]
    file = tmp_path / "tiles.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=words):
        load_recipe(file)
    assert refused(file).startswith(f"tiles.yaml:{line}: ")


@pytest.mark.parametrize("case", REFUSED)
def test_the_same_text_in_an_override_is_refused_alike_and_not_repeated_whole(case, tmp_path):
    text, _, words = REFUSED[case]
    with pytest.raises(RecipeError, match=words):
        load_recipe("demo", [f"generator={text}"])
    message = refused("demo", f"generator={text}")
    assert message.startswith("--set generator=")
    assert len(message) < 600


@pytest.mark.parametrize("case", FINE)
def test_aliases_merge_keys_and_a_byte_order_mark_are_read(case, tmp_path):
    text, products = FINE[case]
    file = tmp_path / "tiles.yaml"
    file.write_text(text, encoding="utf-8")
    assert load_recipe(file).request.products == products


def test_an_override_changes_one_of_the_places_that_share_an_alias(tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_text("generator: {kind: dual, defects: {dent: &d {count: 1}, bulge: *d}}\n")
    text = "generator.defects.dent.count=x"
    assert refused(file, text).count("wanted") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: a\n".encode("utf-16"), r"tiles\.yaml:1: is not UTF-8 text; save"),
        ("name: a\n".encode("utf-16-le"), r"tiles\.yaml:1: is not UTF-8 text; save"),
        (b"seed: 1\nname: \xff", r"tiles\.yaml:2: is not UTF-8 text; save"),
        (b"seed: 1\nname: \0", r"tiles\.yaml:2: is not UTF-8 text; save"),
        (b"name: \xed\xa0\x80", r"tiles\.yaml:1: is not UTF-8 text; save"),
        (b"".join(b"key%d: 1\n" % i for i in range(200_000)), r"tiles\.yaml has more than 256 kB"),
    ],
)
def test_bytes_that_are_no_recipe_are_refused_with_the_remedy(content, words, tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=words):
        load_recipe(file)


def test_no_pipe_device_folder_or_impossible_name_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, words in (
        (tmp_path / "pipe.yaml", "is a pipe or a device; save the recipe"),
        ("/dev/zero", "is a pipe or a device; save the recipe"),
        (tmp_path, "is a folder; save the recipe"),
        ("x" * 5000, "no recipe at x"),
        ("a\0b", "no recipe at a"),
    ):
        assert words in refused(name)


@pytest.mark.parametrize("value", [".inf", "inf", ".nan", "1.0e+999"])
def test_numbers_that_are_not_finite_are_mistakes(value, tmp_path):
    assert "request.max_attempts is " in refused("demo", f"request.max_attempts={value}")


@pytest.mark.parametrize("value", ["[1, .inf]", "[.inf, .inf]"])
def test_numbers_inside_a_types_settings_are_finite_too(value):
    assert "amp_mm" in refused("parts", "source.root=x", f"generator.defects={{dent: {{amp_mm: {value}}}}}")


def test_thousands_of_mistakes_are_counted_and_the_first_ones_reported(tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_text("".join(f"key{i}: 1\n" for i in range(2000)))
    message = refused(file).splitlines()
    assert message[0].startswith("tiles.yaml:1: key0 is unknown")
    assert len(message) == 31
    assert message[-1] == "1970 more mistakes; mend these first"


def test_an_override_into_a_thousand_blocks_is_refused():
    assert "wanted key=value" in refused("demo", ".".join(["a"] * 50_000) + "=1")


@pytest.mark.parametrize("seed", range(5))
def test_random_text_loads_or_is_refused(seed, tmp_path):
    rng = random.Random(seed)
    words = [
        "seed",
        "source",
        "root",
        "base",
        "generator",
        "kind",
        ": ",
        ": ",
        "\n",
        "\n  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<",
        "? ",
    ]
    words += [
        "'",
        '"',
        "|",
        ">",
        "!!",
        "!!float ",
        "???",
        "1",
        "-1",
        "null",
        "~",
        "0x",
        "%",
        "@",
        "#",
        "\t",
        "é",
        "---\n",
        "\\",
    ]
    file = tmp_path / "tiles.yaml"
    for _ in range(60):
        text = "".join(rng.choices(words, k=rng.randint(1, 40)))
        file.write_text(text, encoding="utf-8")
        for recipe, overrides in ((file, []), ("demo", [f"generator={text}"]), ("demo", [text])):
            with suppress(RecipeError):
                load_recipe(recipe, overrides)


@pytest.mark.parametrize(
    "override", ["source.root=~nobody_here/x", "generator.base=~nobody_here", "generator.base=" + "x" * 999]
)
def test_a_path_that_names_no_place_is_a_mistake(override, tmp_path):
    file = tmp_path / "tiles.yaml"
    file.write_text("source: {kind: folder, root: .}\n")
    assert "names no place" in refused(file, override)
