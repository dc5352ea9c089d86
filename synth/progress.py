"""How something that runs long says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total) while something long runs."""
WHOLE = "in all"
"""The stage that stands for all stages together, of a job that knows how many there are."""
