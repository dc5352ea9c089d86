"""What a run makes: one stream of shards for each (product, defect)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synth.errors import RecipeError, SourceError
from synth.generators import GENERATORS
from synth.io.names import file_name, same_name
from synth.pipeline.preparation import asked
from synth.pipeline.shards import Stream
from synth.recipe import Recipe
from synth.sample import Sample
from synth.seas.mixes import mixed_kinds
from synth.suggest import did_you_mean


def plan(recipe: Recipe, shots: Sequence[Sample], good_images: Sequence[Sample] = ()) -> list[Stream]:
    """One stream for each (product, defect) that has shots, by name; for a generator that needs none, one for each
    product among the good images and each of its types. Mixes of types come last. RecipeError for a type that it does
    not draw, SourceError where two streams would share ids or files."""
    kinds = sorted({(str(shot.product), str(shot.defect)) for shot in shots})
    if not GENERATORS[recipe.generator.kind].needs_shots:
        offered = getattr(recipe.generator, "types", ())
        for name in () if recipe.request.defects == "all" else recipe.request.defects:
            if not any(same_name(name, other) for other in offered):
                raise RecipeError(
                    f"request.defects: {name!r} is none of generator.types; {did_you_mean(name, offered)}"
                )
        types = [name for name in offered if asked(name, recipe.request.defects)]
        kinds = sorted({(str(good.product), name) for good in good_images for name in types})
    else:
        mixes = mixed_kinds(getattr(recipe.generator, "mixes", {}), kinds)
        kinds = [kind for kind in (*kinds, *mixes) if asked(kind[1], recipe.request.defects)]
    _check_ids(kinds)
    return [stream_of(recipe, kind) for kind in kinds]


def stream_of(recipe: Recipe, kind: tuple[str, str]) -> Stream:
    """What a recipe wants of one (product, defect)."""
    quota = recipe.request.per_defect
    attempts = math.ceil(quota * recipe.request.max_attempts)
    return Stream(*kind, quota, attempts, recipe.generator.draw_batch, recipe.seed)


def _check_ids(kinds: Sequence[tuple[str, str]]) -> None:
    """Ids join product and defect, so that `a-b`/`c` and `a`/`b-c` would share theirs."""
    taken: dict[str, tuple[str, str]] = {}
    for product, defect in kinds:
        name = file_name(f"{product}-{defect}").casefold()
        if name in taken:
            other = "/".join(taken[name])
            raise SourceError(f"{other} and {product}/{defect} are too alike to name files by; rename one of them")
        taken[name] = (product, defect)
