"""What of a run's texts may be shown to others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from synth.pipeline.folder import RunFolder
from synth.printable import printable
from synth.recipe import Recipe
from synth.recipe.text import leaves


class Shared:
    """Makes of a run's texts what may be shown to others: no place of this machine, no character that steers text."""

    def __init__(self, folder: RunFolder, recipe: Recipe) -> None:
        values = [Path(value) for _, value in leaves(recipe.model_dump(mode="json")) if isinstance(value, str)]
        named = [path for path in (*values, folder.path.absolute()) if path.is_absolute()]
        self._names = {str(Path.home()): "~", str(Path.cwd()): "."}
        self._names |= {str(place): path.name for path in named for place in (path, path.resolve())}
        longest_first = sorted((place for place in self._names if Path(place).name), key=len, reverse=True)
        self._places = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")

    def __call__(self, value: Any) -> Any:
        """The value with all its texts changed: places are shortened to their last folder."""
        if isinstance(value, dict):
            return {key: self(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self(inner) for inner in value]
        if not isinstance(value, str) or isinstance(value, Markup) or value.startswith("data:"):
            return value
        shortened = self._places.sub(lambda place: self._names[place[0]], value)
        return printable(Path(shortened).name if Path(shortened).is_absolute() else shortened)


def recipe_lines(values: dict[str, Any]) -> list[str]:
    """A recipe's values as lines of YAML."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120).splitlines()
