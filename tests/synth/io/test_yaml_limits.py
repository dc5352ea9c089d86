"""The count of a YAML text's values and levels, compared with that of what the text builds."""

import random

import pytest
import yaml

from synth.io.yaml_limits import first_excess


def extent(node: yaml.Node) -> tuple[int, int]:
    """Values and levels of a composed text, each alias written out."""
    parts = [] if isinstance(node, yaml.ScalarNode) else list(node.value)
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    below = [extent(part) for part in parts]
    return 1 + sum(values for values, _ in below), 1 + max((levels for _, levels in below), default=0)


def nested(rng: random.Random, names: list[str], room: int = 4) -> str:
    """A random flow value; anchors are added to `names`, and stand for what came before."""
    kind = rng.choice(["scalar", "alias", "list", "mapping"] if room else ["scalar", "alias"])
    if kind == "alias" and names:
        return f"*{rng.choice(names)} "
    anchor = rng.choice(["", f"a{len(names)}"])
    parts = [nested(rng, names, room - 1) for _ in range(rng.randint(0, 4))] if kind in ("list", "mapping") else []
    if anchor:
        while anchor in names:
            anchor += "x"
        names.append(anchor)
        anchor = f"&{anchor} "
    if kind == "list":
        return f"{anchor}[{', '.join(parts)}]"
    if kind == "mapping":
        return f"{anchor}{{{', '.join(f'k{n}: {part}' for n, part in enumerate(parts))}}}"
    return f"{anchor}x"


@pytest.mark.parametrize("seed", range(40))
def test_a_text_is_refused_exactly_beyond_what_it_stands_for(seed):
    rng, names = random.Random(seed), []
    text = "[" + ", ".join(nested(rng, names) for _ in range(5)) + "]"
    values, levels = extent(yaml.compose(text, yaml.SafeLoader))
    assert first_excess(text, levels, values) is None
    assert first_excess(text, levels, values - 1).fault == "values"
    assert first_excess(text, levels - 1, values).fault == "depth"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: &b\n  - *b\n", ("circle", 3, "b")),
        ("a: &a [[1]]\nd: [*a]\n", ("depth", 2, "")),
        ("a: [1, 2,\n 3, 4,\n 5, 6, 7, 8]\n", ("values", 3, "")),
    ],
)
def test_an_excess_names_its_line(text, found):
    excess = first_excess(text, 4, 8)
    assert (excess.fault, excess.line, excess.name) == found
