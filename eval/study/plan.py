"""What a study over several data sets consists of: a file that plans it, or runs that exist.

name: helps
sets:
  - recipe: tire.yaml            # a file beside this one, or a bundled recipe
    overrides: [request.per_defect=40]
    shots: [4, 9]                # of each defect type; all without it
    settings: [tile=256]         # of the segmenters on this set, before those of the study
draws: 5                         # random draws of the shots
seeds: 3                         # trainings of each training set on each draw
segmenters: [lfd]
settings: [steps=600, lfd.resolution=128]
training_sets: [real, copy_paste, ours_real]
leave_one_out: false             # gains on defect types that were left out of the training

Each draw takes other shots, and another seed of the recipe, so that it keeps others of them for validation and
generates other samples; but not where the seed draws the test images (source.test_fraction), which are the same for all
draws.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.study.settings import parse_settings, usual_segmenters
from eval.study.training_sets import check_training_sets
from synth.errors import EvalError
from synth.pipeline.runs import Run
from synth.recipe import Recipe, load_recipe
from synth.recipe.safe_yaml import BadYaml, parse, read_text

SafeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class StudySet(BaseModel):
    """A data set: a recipe with its overrides, numbers of shots, and settings of the segmenters on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    name: SafeName | None = None
    overrides: tuple[str, ...] = ()
    shots: tuple[Annotated[int, Field(ge=1)], ...] = ()
    settings: tuple[str, ...] = ()


class StudyPlan(BaseModel):
    """What is compared, on what and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SafeName
    sets: tuple[StudySet, ...] = ()
    draws: int = Field(5, ge=1)
    seeds: int = Field(3, ge=1)
    segmenters: tuple[str, ...] = Field(default_factory=usual_segmenters, min_length=1)
    settings: tuple[str, ...] = ()
    training_sets: tuple[str, ...] = ("copy_paste", "ours_real")
    leave_one_out: bool = False

    @property
    def compared(self) -> tuple[str, ...]:
        """The training sets in order. EvalError for an unknown one."""
        return check_training_sets(self.training_sets)


@dataclass(frozen=True)
class Draw:
    """A run: one that exists, or, with its recipe, one that the study makes."""

    run: Path
    recipe: Recipe | None


@dataclass(frozen=True)
class Condition:
    """A data set and a number of shots, with a run for each draw of them; `images`: which test images it has;
    `settings`: parameters of each segmenter on this set."""

    name: str
    images: str
    draws: tuple[Draw, ...]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_plan(file: Path) -> StudyPlan:
    """The plan in a study file. EvalError, naming it, for anything else; RecipeError where it cannot be read."""
    try:
        _, data = parse(read_text(file))
        plan = StudyPlan.model_validate(data)
    except BadYaml as problem:
        raise EvalError(f"{file.name}:{problem.line}: {problem.problem}") from problem
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise EvalError(f"{file}: {where}: {first['msg']}; {_fields(first['loc'])}") from wrong
    if not plan.sets:
        raise EvalError(f"{file} names no sets; list at least one recipe under sets")
    return plan


def planned_conditions(plan: StudyPlan, file: Path, folder: Path) -> list[Condition]:
    """The conditions of a study file, with runs below the study's folder. RecipeError for a wrong recipe, EvalError for
    two conditions of one name."""
    conditions = []
    for one in plan.sets:
        beside = file.parent / one.recipe
        place = beside if beside.is_file() else Path(one.recipe)
        for shots in one.shots or (None,):
            name, draws = "", []
            for number in range(plan.draws):
                recipe = _drawn(load_recipe(str(place), one.overrides), shots, number)
                name = _condition_name(one.name or recipe.name, recipe)
                draws.append(Draw(folder / "runs" / folder_name(name) / str(number), recipe))
            assert draws[0].recipe is not None
            settings = parse_settings(plan.segmenters, one.settings)
            conditions.append(Condition(name, _images_of(draws[0].recipe), tuple(draws), settings))
    names = [condition.name for condition in conditions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EvalError(f"{file} has two sets that are {twice!r}; give each a name")
    return conditions


def existing_conditions(runs: Sequence[Path]) -> list[Condition]:
    """The conditions of finished runs: those that differ in the draw alone are draws of one. RecipeError
    or RunError where one is no finished run."""
    found: dict[str, list[tuple[Path, Recipe]]] = {}
    for path in runs:
        recipe = Run(path).recipe
        found.setdefault(undrawn(recipe).sha256, []).append((path, recipe))
    conditions: list[Condition] = []
    for members in found.values():
        name = _condition_name(members[0][1].name if len(members) > 1 else members[0][0].resolve().name, members[0][1])
        while name in [condition.name for condition in conditions]:
            name += "'"
        draws = tuple(Draw(path, None) for path, _ in members)
        conditions.append(Condition(name, _images_of(members[0][1]), draws))
    return conditions


def folder_name(condition: str) -> str:
    """The folder of a condition."""
    return condition.replace(", ", "-").replace(" ", "-")


def undrawn(recipe: Recipe) -> Recipe:
    """The recipe in its first draw: equal for recipes that differ in the draw alone."""
    seed = recipe.seed if _draws_tests(recipe) else 0
    source = recipe.source.model_copy(update={"shots_draw": 0})
    return recipe.model_copy(update={"source": source, "seed": seed})


def _drawn(recipe: Recipe, shots: int | None, draw: int) -> Recipe:
    seed = recipe.seed if _draws_tests(recipe) else recipe.seed + draw
    source = recipe.source.model_copy(update={"shots": shots or recipe.source.shots, "shots_draw": draw})
    return recipe.model_copy(update={"source": source, "seed": seed})


def _draws_tests(recipe: Recipe) -> bool:
    """Whether the recipe's seed draws the test images."""
    return getattr(recipe.source, "test_fraction", 0.0) > 0


def _condition_name(name: str, recipe: Recipe) -> str:
    shots = recipe.source.shots
    return f"{name}, {shots} shot{'s' * (shots != 1)}" if shots else f"{name}, all shots"


def _images_of(recipe: Recipe) -> str:
    """A hash of what decides the test images."""
    first = undrawn(recipe)
    source = first.source.model_dump(mode="json", exclude={"shots", "validation_fraction"})
    text = json.dumps([source, first.seed, recipe.request.products, recipe.request.defects])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fields(place: tuple[int | str, ...]) -> str:
    schema = StudySet if len(place) > 1 and place[0] == "sets" else StudyPlan
    return f"the fields are {', '.join(schema.model_fields)}"
