"""Recipes: what a run reads, how it generates, how much it makes, what it accepts and how it writes.

A recipe is YAML in five blocks, plus `a.b=value` overrides. Each block's schema lives in the room that it serves;
`kind` chooses among schemas. Every value has a default and an explanation in the schema (`flawsmith recipe schema`),
an unknown key is an error, and all mistakes of a recipe are reported at once, each with its line.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from synth.baselines.config import CopyPasteConfig, CutPasteConfig, OversampleConfig, PerlinConfig
from synth.checks.config import ChecksConfig
from synth.dual.config import DualConfig
from synth.dual.presets.config import DualPresetConfig
from synth.errors import RecipeError, SourceError
from synth.io.names import composed, named_place
from synth.printable import shortened, shown
from synth.recipe.formats import FormatName, describe_formats
from synth.recipe.mistakes import by_line, explain
from synth.recipe.text import Draft, complete, dotted, leaves, read_draft
from synth.seas.config import SeasConfig
from synth.sources import READERS, recognise
from synth.sources import config as sources
from synth.sources.listing import open_root
from synth.suggest import did_you_mean

MOST_REPORTED = 30
"""Mistakes of one recipe that are reported at once."""
_LONGEST_NAME = 100
SourceConfig = Annotated[sources.SourceConfig, Field(discriminator="kind")]
GeneratorConfig = Annotated[
    SeasConfig | CopyPasteConfig | DualConfig | DualPresetConfig | CutPasteConfig | PerlinConfig | OversampleConfig,
    Field(discriminator="kind"),
]


Names = Annotated[tuple[Annotated[str, AfterValidator(composed)], ...], Field(min_length=1)]


class RequestConfig(BaseModel):
    """The `request:` block of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_defect: int = Field(
        60,
        description="Accepted samples of each defect type of each product.",
        json_schema_extra={"unit": "samples"},
        ge=1,
    )
    defects: Literal["all"] | Names = Field(
        "all", description="Defect types to make: all that have shots, or a list of names."
    )
    products: Literal["all"] | Names = Field("all", description="Products to make them for: all, or a list of names.")
    max_attempts: float = Field(
        5.0,
        description="Candidates drawn for each sample wanted, before the run ends with a shortfall.",
        json_schema_extra={"unit": "candidates per sample"},
        ge=1,
    )


class OutputConfig(BaseModel):
    """The `output:` block of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatName | Annotated[tuple[FormatName, ...], Field(min_length=1)] = Field(
        "mvtec", description=describe_formats()
    )
    real_test: bool = Field(
        False,
        description="Write the source's defective test images too, as split test of parquet and as type real_<type> of "
        "the trees; their good test images are written always. Test images are copied, nothing is learnt from them.",
    )

    @property
    def formats(self) -> tuple[str, ...]:
        return (self.format,) if isinstance(self.format, str) else tuple(dict.fromkeys(self.format))


class Recipe(BaseModel):
    """Everything that decides what a run makes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        "recipe",
        description="Name of the recipe and of its folder in outputs/; after the file's own name by default.",
    )
    seed: int = Field(0, description="Start of every random draw; another seed makes another dataset.", ge=0)
    source: SourceConfig = Field(sources.ProceduralSource(), description="Where the real samples come from.")
    generator: GeneratorConfig = Field(
        SeasConfig(),
        description="What makes the defects. seas: the shots' own, pasted where their surroundings fit and drawn anew "
        "as far as freedom says. copy_paste: the same without drawing, to compare with. dual, dual_preset: from "
        "geometry, without shots. cutpaste, perlin, oversample: simple, to compare with. seas where no kind is named.",
    )
    request: RequestConfig = Field(RequestConfig(), description="How many samples are wanted, of what.")
    checks: ChecksConfig = Field(ChecksConfig(), description="What a candidate must show before it is accepted.")
    output: OutputConfig = Field(OutputConfig(), description="How the dataset is written.")

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ValueError("it names a folder, so use letters, digits, dot, dash and underscore")
        if len(name) > _LONGEST_NAME:
            raise ValueError(f"it names a folder, so use {_LONGEST_NAME} characters at the most")
        return name

    @property
    def sha256(self) -> str:
        """Hash of every value, whatever the order, comments and spelling of the file it came from."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_yaml(self, plain: bool = False) -> str:
        """Every value in recipe form, defaults included; loads as an equal recipe. plain: in ASCII alone."""
        values = self.model_dump(mode="json")
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
        prints = text.replace("\n", "").isprintable() and not plain
        return text if prints else yaml.safe_dump(values, sort_keys=False, width=120)


def load_recipe(recipe: str | Path, overrides: str | Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, or the bundled one of this name, with `a.b=value` overrides, one or several, laid over
    it.

    Relative paths start from the recipe's folder, those in overrides from the current one. Raises RecipeError with one
    line a mistake, each naming file and line (or override), the problem and the remedy."""
    path = find_recipe(recipe)
    draft = read_draft(path, _listed(overrides), Recipe)
    own_name = re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem).lstrip("_.-")[:_LONGEST_NAME]
    draft.data.setdefault("name", own_name or "recipe")
    if isinstance(draft.data.get("generator"), dict):
        draft.data["generator"].setdefault("kind", "seas")
    return _checked(draft)


def source_for(place: str | Path, layout: str = "auto", overrides: Sequence[str] = ()) -> sources.TreeSource:
    """The `source:` block of the recipe at `place`, or one for the folder there, in a layout of
    `synth.sources.READERS` or as it seems to have; with overrides such as `source.white_level=4095`.

    Raises SourceError where the folder cannot be opened or its layout is not known, RecipeError for a wrong override
    and for a recipe whose images are rendered."""
    if Path(place).is_file():
        found = load_recipe(place, overrides).source
        if isinstance(found, sources.ProceduralSource):
            raise RecipeError(f"{place} reads no folder: its source is rendered; name a folder of images")
        return found
    root = open_root(place)
    kind = recognise(root) if layout == "auto" else layout
    if kind not in READERS:
        raise SourceError(f"layout {kind!r} is unknown; {did_you_mean(kind, ['auto', *READERS])}")
    draft = Draft(root, {"name": "inspect", "source": {"kind": kind, "root": str(named_place(root))}})
    complete(draft, _listed(overrides), Recipe)
    made = _checked(draft).source
    assert not isinstance(made, sources.ProceduralSource)
    return made


def _checked(draft: Draft) -> Recipe:
    """The recipe in a draft. RecipeError for all its mistakes."""
    made = _validate(draft)
    if draft.mistakes or made is None:
        mistakes = by_line(draft.mistakes)
        left = (
            [f"{len(mistakes) - MOST_REPORTED} more mistakes; mend these first"]
            if len(mistakes) > MOST_REPORTED
            else []
        )
        raise RecipeError(*mistakes[:MOST_REPORTED], *left)
    return made


def as_recipe(recipe: Recipe | str | Path) -> Recipe:
    """A recipe as it is, or the one that a file or a bundled name stands for."""
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _listed(overrides: str | Sequence[str]) -> Sequence[str]:
    given = [overrides] if isinstance(overrides, str) else overrides
    if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given):
        return given
    raise RecipeError(f'overrides are {shown(overrides)}, wanted one or a list of texts such as ["seed=3"]')


def find_recipe(recipe: str | Path) -> Path:
    """The file that is meant by a path or by a bundled recipe's name. RecipeError where there is none, or a folder, a
    pipe or a device."""
    if not isinstance(recipe, str | Path):
        raise RecipeError(f"a recipe is {shown(recipe)}, wanted a YAML file or the name of a bundled one, such as demo")
    path, bundled, name = Path(recipe), bundled_recipes(), shortened(str(recipe))
    try:
        if path.is_file():
            return path
        if str(recipe) in bundled:
            return bundled[str(recipe)]
        if path.exists():
            what = "a folder" if path.is_dir() else "a pipe or a device"
            raise RecipeError(f"{name} is {what}; save the recipe as a YAML file and name that")
    except OSError as problem:
        raise RecipeError(f"no recipe at {name}: {problem.strerror}; name a YAML file") from problem
    raise RecipeError(f"no recipe at {name}; {did_you_mean(path.stem, bundled)} (or name a YAML file)")


def bundled_recipes() -> dict[str, Path]:
    """Name -> file of the recipes that come with flawsmith: recipes/ of the repository, or of the installed package."""
    package = Path(__file__).parent.parent
    folder = next(f for f in (package / "recipes", package.parent / "recipes") if f.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def differences(old: Recipe, new: Recipe) -> list[str]:
    """The values that differ, as `request.per_defect: 60 -> 80`; [] where both make the same dataset."""
    before, after = (_flat(recipe.model_dump(mode="json")) for recipe in (old, new))
    keys = [*before, *(key for key in after if key not in before)]
    pairs = ((key, before.get(key, "unset"), after.get(key, "unset")) for key in keys)
    return [f"{key}: {was} -> {now}" for key, was, now in pairs if was != now]


def _validate(draft: Draft) -> Recipe | None:
    made, findings = None, []
    try:
        made = Recipe.model_validate(draft.data)
    except ValidationError as error:
        findings = error.errors(include_url=False)
    draft.mistakes.extend(explain(findings, draft, Recipe))
    for path, value in () if made is None else leaves(made.model_dump()):
        if isinstance(value, float) and not math.isfinite(value):
            draft.mistakes.append(f"{draft.place(path)}: {dotted(path)} is {value}, wanted a finite number")
    return made


def _flat(block: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in block.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat
