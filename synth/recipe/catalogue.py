"""The recipes that come with flawsmith, each in a line: what it makes and what it needs, from the comment it opens
with."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from synth.recipe import bundled_recipes


@dataclass(frozen=True, slots=True)
class Described:
    """A bundled recipe by name. makes, needs: the first sentence of each."""

    name: str
    makes: str
    needs: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of them."""

    recipes: tuple[Described, ...]

    def lines(self) -> list[str]:
        """For people."""
        width = max(len(one.name) for one in self.recipes)
        return [f"{one.name:<{width}}  {one.makes}. Needs {one.needs}." for one in self.recipes]

    def to_json(self) -> list[dict[str, str]]:
        return [asdict(one) for one in self.recipes]


def catalogue() -> Catalogue:
    """The bundled recipes by name."""
    return Catalogue(tuple(_described(name, file) for name, file in bundled_recipes().items()))


def _described(name: str, file: Path) -> Described:
    opening = re.match(r"(#.*\n)+", file.read_text(encoding="utf-8"))
    text = " ".join(line.lstrip("# ") for line in (opening[0] if opening else "").splitlines())
    parts = dict(re.findall(r"(Makes|Command|Needs): +(.*?)(?= (?:Makes|Command|Needs):|$)", text))
    makes, needs = (re.split(r"[.;] |\.$", parts.get(key, ""))[0] for key in ("Makes", "Needs"))
    return Described(name, makes, needs)
