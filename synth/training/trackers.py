"""Losses and settings of trainings for TensorBoard, Weights & Biases or Trackio, through accelerate's trackers.

What is asked for stands in the environment, so that every process that trains finds it, and the process that trains is
the only one that writes. Nothing here changes what is trained.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from synth.errors import TrackerError
from synth.io.atomic import naming_place
from synth.io.json_text import json_text
from synth.suggest import did_you_mean

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

TRACKERS = ("tensorboard", "wandb", "trackio")
PROJECT = "flawsmith"
_ASKED = "FLAWSMITH_TRACKERS"


def tracker_names(given: Sequence[str]) -> tuple[str, ...]:
    """The names in what was given, each one or several with commas. TrackerError for one that is unknown or whose
    package is not installed."""
    names = tuple(dict.fromkeys(name.strip() for one in given for name in one.split(",") if name.strip()))
    for name in names:
        if name not in TRACKERS:
            raise TrackerError(f"--tracker {name} is unknown; {did_you_mean(name, TRACKERS)}")
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a folder wandb/ of the user's is no package
            raise TrackerError(
                f"--tracker {name} needs a package that is not installed; install it: pip install {name}"
            )
    return names


@contextmanager
def tracking(names: Sequence[str], folder: Path) -> Iterator[None]:
    """Inside, trainings of this process and of those that it starts tell these trackers; folder: where tensorboard's
    files go."""
    if not names:
        yield
        return
    before = os.environ.get(_ASKED)
    os.environ[_ASKED] = json_text({"names": list(names), "folder": str(folder.absolute())})
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ASKED]
        else:
            os.environ[_ASKED] = before


class Tracked:
    """One training that trackers are told of."""

    def __init__(self, trackers: Sequence[GeneralTracker]) -> None:
        self._trackers = trackers

    def log(self, stage: str, values: Mapping[str, SupportsFloat], step: int) -> None:
        """The values after a step of a stage."""
        plain = {f"{stage}/{name}": float(value) for name, value in values.items()}
        for tracker in self._trackers:
            tracker.log(plain, step=step)


@contextmanager
def tracked(training: str, settings: Mapping[str, Any]) -> Iterator[Tracked | None]:
    """A training by its name, begun with its settings in all trackers asked for; None where there are none, or where
    another process of several that train together tells them."""
    if _ASKED not in os.environ or not _is_main():
        yield None
        return
    asked = json.loads(os.environ[_ASKED])
    trackers = [_opened(name, training, Path(asked["folder"])) for name in asked["names"]]
    try:
        for tracker in trackers:
            tracker.store_init_configuration(flat(settings))
        yield Tracked(trackers)
    finally:
        for tracker in trackers:
            tracker.finish()


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, bool | int | float | str]:
    """Nested settings as one level, {"a": {"b": [1]}} -> {"a.b": "[1]"}; trackers take plain values alone."""
    found: dict[str, bool | int | float | str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return found


def _opened(name: str, training: str, folder: Path) -> GeneralTracker:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind = LOGGER_TYPE_TO_CLASS[name]
    with naming_place(folder):
        if name == "tensorboard":
            tracker = kind(training, logging_dir=folder)
        else:
            tracker = kind(PROJECT, name=f"{folder.name}/{training}")
        tracker.start()
    return tracker


def _is_main() -> bool:
    from accelerate import PartialState

    return bool(PartialState().is_main_process)
