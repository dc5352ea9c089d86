"""What YAML reads otherwise than it was meant: yes and no, numbers, dates, nothing."""

from __future__ import annotations

import re

import pytest

from synth.errors import RecipeError
from synth.recipe import load_recipe

FOLDER = "source: {kind: folder, root: ., "
TRAPS = ["no", "yes", "on", "Off", "01", "017", "1.5", "12:30:00", "2024-05-13", "~", "null", "0x1F"]
TEXTS = {
    "a type": "request: {defects: [crack, %s]}",
    "a product": "request: {products: [%s]}",
    "a product to render": "source: {kind: procedural, products: [%s]}",
    "a pattern": FOLDER + "exclude: [%s]}",
    "a word": "generator: {words: {crack: %s}}",
    "a base": "generator: {base: %s}",
    "a name": "name: %s",
    "a folder": "source: {kind: folder, root: %s}",
}
NUMBERS = {
    "per_defect": "request: {per_defect: %s}",
    "a share": "source: {kind: folder, root: ., test_fraction: %s}",
    "a seed": "seed: %s",
    "a limit that may be none": FOLDER + "good_limit: %s}",
    "a size of two": "source: {kind: procedural, size: [%s, 64]}",
    "a range": "generator: {kind: cutpaste, area: [0.1, %s]}",
    "a number of a type": "generator: {kind: dual, defects: {dent: {count: [1, %s]}}}",
    "a number of a scheme": "generator: {kind: dual_preset, schemes: [po3ad], numbers: {po3ad: {height: [0, %s]}}}",
}
VALUES = ["3", "1.5", "yes", "2024-05-13", "~", "[1]", "{a: b}", "text", "''", "[]", "[{a: 1}]", "12:30:00"]


PYTHON = r"<|datetime|None|[Tt]uple|dict|instance|Config|\bbool\b|\bTrue|\bFalse"


def said(*given: str) -> str:
    try:
        load_recipe(*given)
    except RecipeError as problem:
        return str(problem)
    return ""


def refused(text: str, tmp_path, *overrides: str) -> str:
    file = tmp_path / "tiles.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        load_recipe(file, overrides)
    return str(raised.value)


@pytest.mark.parametrize("place", TEXTS)
@pytest.mark.parametrize("typed", TRAPS)
def test_what_is_meant_as_text_and_is_not_is_to_be_quoted(place, typed, tmp_path):
    message = refused(TEXTS[place] % typed, tmp_path)
    assert message.startswith("tiles.yaml:1: ")
    assert f"is {typed}, which YAML takes for" in message
    assert message.endswith(f'wanted text: put it in quotes: "{typed}"')


@pytest.mark.parametrize("place", [place for place in TEXTS if place not in ("a name", "a product to render")])
@pytest.mark.parametrize("typed", TRAPS)
def test_in_quotes_it_is_text(place, typed, tmp_path):
    (tmp_path / "tiles.yaml").write_text(TEXTS[place] % f'"{typed}"')
    load_recipe(tmp_path / "tiles.yaml")


def test_an_override_is_quoted_back_as_it_was_typed(tmp_path):
    assert 'request.defects.1 is no, which YAML takes for yes or no, wanted text: put it in quotes: "no"' in refused(
        "seed: 1", tmp_path, "request.defects=[crack, no]"
    )
    assert "request.defects is no, wanted 'all' or a list such as [\"no\"]" in refused(
        "request: {defects: no}", tmp_path
    )


@pytest.mark.parametrize("typed", ["no", "01", "2024-05-13", "~", "crack"])
def test_a_key_is_a_name_however_it_is_written(typed, tmp_path):
    (tmp_path / "tiles.yaml").write_text(f"generator: {{words: {{{typed}: scratch}}}}")
    assert load_recipe(tmp_path / "tiles.yaml").generator.words == {typed: "scratch"}


@pytest.mark.parametrize("place", NUMBERS)
@pytest.mark.parametrize("typed", ["yes", "no", "true", "on"])
def test_a_yes_or_no_is_no_number(place, typed, tmp_path):
    assert re.search(
        r"(is|\[.*) ?(yes|no|true|false|on)\b.*, wanted (a )?numbers?", refused(NUMBERS[place] % typed, tmp_path)
    )


def test_no_message_names_a_type_of_python(tmp_path):
    fields = ("request", "request.defects", "request.per_defect", "source", "source.size", "source.products", "seed")
    fields += ("name", "generator", "generator.words", "generator.base", "generator.turn", "generator.masks", "output")
    fields += ("generator.rotate", "generator.kind", "output.format", "checks", "checks.max_area", "source.kind")
    for field in fields:
        for value in VALUES:
            message = said("demo", f"{field}={value}")
            assert not re.search(PYTHON, message), message


def test_names_are_one_whichever_unicode_form_they_are_typed_in(tmp_path):
    composed, decomposed = "gr\u00fcn", "gru\u0308n"
    assert load_recipe("demo", f"request.defects=[{decomposed}]") == load_recipe(
        "demo", f"request.defects=[{composed}]"
    )


def test_a_list_of_nothing_makes_nothing_and_is_refused(tmp_path):
    for text in ("request: {defects: []}", "request: {products: []}", "output: {format: []}"):
        assert "at least 1 entry" in refused(text, tmp_path)


def test_a_long_name_is_refused_and_that_of_a_file_cut(tmp_path):
    assert "100 characters at the most" in refused(f"name: {'a' * 101}", tmp_path)
    file = tmp_path / f"{'b' * 200}.yaml"
    file.write_text("seed: 1")
    assert load_recipe(file).name == "b" * 100
