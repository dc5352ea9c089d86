"""YAML from users' files, with plain values alone and within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from synth.io.regular import reason
from synth.io.yaml_limits import first_excess

MOST_CHARACTERS = 2**17
MOST_DEPTH = 32
MOST_VALUES = 100_000
"""Values of a text at most, each alias counted as all that it stands for."""
_EXCESS = {
    "depth": f"is nested more than {MOST_DEPTH} deep",
    "values": f"stands for more than {MOST_VALUES:,} values, its aliases written out",
    "circle": "*{name} lies in the part that it stands for",
}


class YamlTextError(ValueError):
    """Text that is no usable YAML: where, and what is wrong."""


def load_yaml(text: str, where: str | Path) -> Any:
    """What a YAML text holds: plain values, as of `yaml.safe_load`. Raises YamlTextError, which begins with `where` and
    the line, for a wrong syntax, tags that mean no plain value, and texts beyond the limits above."""
    if len(text) > MOST_CHARACTERS:
        raise YamlTextError(f"{where}: holds {len(text):,} characters, at most {MOST_CHARACTERS:,} are read")
    try:
        excess = first_excess(text, MOST_DEPTH, MOST_VALUES)
        if excess is None:
            return yaml.safe_load(text)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = where if mark is None else f"{where}:{mark.line + 1}"
        raise YamlTextError(f"{place}: not valid YAML: {problem.problem or problem.context}") from problem
    except Exception as problem:  # a tag with a wrong value, as !!int x, fails in as many ways as there are tags
        raise YamlTextError(f"{where}: not valid YAML: {reason(problem)}") from problem
    raise YamlTextError(f"{where}:{excess.line}: {_EXCESS[excess.fault].format(name=excess.name)}")
