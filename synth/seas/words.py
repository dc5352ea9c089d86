"""The words of a recipe from which tokens start."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from synth.errors import GeneratorError
from synth.io.names import same_name
from synth.suggest import did_you_mean


def words_of(label: str) -> list[str]:
    """The words of letters in a label, in lower case."""
    return re.findall(r"[a-z]+", label.lower())


def check_words(words: Mapping[str, str], names: Collection[str]) -> None:
    """GeneratorError for words of a product or defect type that is none of `names`, and for those without a letter."""
    for name, text in words.items():
        check_name("generator.words", name, names)
        if not words_of(text):
            raise GeneratorError(f"generator.words: {name} is {text!r}: give words of letters, a to z")


def check_name(field: str, name: str, names: Collection[str]) -> None:
    """GeneratorError where `name`, by which a field of the recipe has a value, is none of `names`."""
    if not any(same_name(name, known) for known in names):
        raise GeneratorError(
            f"{field}: there is no product or defect type {name!r}; {did_you_mean(name, sorted(names))}"
        )
