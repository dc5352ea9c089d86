"""Defect types that no shot shows: mixes of the shots' types, drawn with a prompt between theirs.

A mix is a type of its own in everything that follows. Its places, outlines and the checks' measure are the shots' of
all its types. Pasted pixels would be one type's, so at least half of the steps are always taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from synth.errors import GeneratorError
from synth.io.names import same_name
from synth.sample import Sample
from synth.seas.freedom import OTHERS, Freedom, FreedomChoice
from synth.seas.words import check_name

Mixes = Mapping[str, Mapping[str, float]]
"""Of each new type, the weights of the shots' types, which sum to one."""
LEAST = 0.5
"""Freedom that every sample of a mix has at least."""


def parts_of(mixes: Mixes, name: str) -> Mapping[str, float] | None:
    """The weights of a mix; None of a type that is none."""
    return next((parts for mix, parts in mixes.items() if same_name(mix, name)), None)


def weights_of(mixes: Mixes, name: str, known: Iterable[str]) -> dict[str, float]:
    """The weights of a type, by the names that its parts have among the known ones; of one that is no mix, itself."""
    parts = parts_of(mixes, name) or {name: 1.0}
    own = {part: next((one for one in known if same_name(one, part)), part) for part in parts}
    return {own[part]: weight for part, weight in parts.items()}


def learnt(mixes: Mixes, wanted: Literal["all"] | Sequence[str]) -> Literal["all"] | list[str]:
    """The types whose shots are needed to make those wanted."""
    if wanted == "all":
        return "all"
    return list(dict.fromkeys(part for name in wanted for part in parts_of(mixes, name) or {name: 1.0}))


def mixed_kinds(mixes: Mixes, kinds: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """(product, mix) of each mix that can be made of these (product, defect type), by name."""
    products = sorted({product for product, _ in kinds})
    return [
        (product, mix)
        for product in products
        for mix, parts in sorted(mixes.items())
        if all(any(product == own and same_name(part, defect) for own, defect in kinds) for part in parts)
    ]


def mixed_shots(mixes: Mixes, shots: Sequence[Sample]) -> list[Sample]:
    """The shots of one product once more for each mix that can be made of them, as shots of the mix."""
    kinds = {(str(shot.product), str(shot.defect)) for shot in shots}
    return [
        replace(shot, defect=mix)
        for _, mix in mixed_kinds(mixes, kinds)
        for shot in shots
        if any(same_name(str(shot.defect), part) for part in mixes[mix])
    ]


def mixed_types(mixes: Mixes, shots: Sequence[Sample]) -> set[str]:
    """The types of the shots of one product that some mix is made of."""
    kinds = {(str(shot.product), str(shot.defect)) for shot in shots}
    made = {mix for _, mix in mixed_kinds(mixes, kinds)}
    return {defect for _, defect in kinds if any(same_name(defect, part) for mix in made for part in mixes[mix])}


def largest_of_mix(freedom: Freedom | str, choice: FreedomChoice, name: str, weights: Mapping[str, float]) -> float:
    """The largest freedom of a mix: what the recipe says of it, or the largest of its types; never below LEAST."""
    named = freedom if isinstance(freedom, dict) else {}
    own = next((value for key, value in named.items() if same_name(key, name)), None)
    return max(LEAST, max(choice.of(part) for part in weights) if own is None else own)


def check_mixes(mixes: Mixes, freedom: Freedom | str, shots: Sequence[Sample], names: Collection[str]) -> None:
    """GeneratorError for a mix that has the name of a type, whose types are none of `names` or have no shots on one
    product, or that would be pasted."""
    kinds = {(str(shot.product), str(shot.defect)) for shot in shots}
    made = {mix for _, mix in mixed_kinds(mixes, kinds)}
    for mix, parts in mixes.items():
        if any(same_name(mix, name) for name in names):
            raise GeneratorError(f"generator.mixes: the source has a product or defect type {mix!r}; name the mix anew")
        for part in parts:
            check_name(f"generator.mixes.{mix}", part, names)
        if shots and mix not in made:
            raise GeneratorError(
                f"generator.mixes: no product has shots of all of {', '.join(parts)}, of which {mix} is made; "
                "mix types of one product"
            )
        for name, value in freedom.items() if isinstance(freedom, dict) else ():
            if name != OTHERS and same_name(name, mix) and value < LEAST:
                raise GeneratorError(
                    f"generator.freedom: {mix} is a mix, which is drawn and never pasted; set {LEAST} to 1, not {value}"
                )
