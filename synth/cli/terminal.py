"""What the command shows while it works and how it ends: bars on stderr, errors as sentences, exit codes.

0 done, 1 failed at work, 2 wrong use or invalid input, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from synth.errors import FlawsmithError

if TYPE_CHECKING:
    from rich.progress import TaskID

DEBUG = "--debug"
INTERRUPTED = 130


class Bars(AbstractContextManager["Bars"]):
    """A `synth.generators.Progress`: one bar a stage; where stderr is no terminal, a line when a stage ends."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show `done` of `total`; a total of 0 is an unknown one."""
        if not self._console.is_terminal:
            if total and done >= total and stage not in self._ended:
                self._ended.add(stage)
                print(f"{stage}: {total} done", file=sys.stderr, flush=True)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)


def beside(path: Path, suffix: str) -> Path:
    """The neighbour of a folder, as outputs/demo-verdict of outputs/demo; of "." too, which has no name of its own."""
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(named.name + suffix)


def tell(report: Any, as_json: bool) -> None:
    """Print a report for people, or its `to_json()` for programs."""
    print(json.dumps(report.to_json(), indent=2) if as_json else report)


class Verbs(TyperGroup):
    """The command's verbs. What goes wrong in one is told in a sentence; `--debug` anywhere shows the traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self._debug = DEBUG in args
        return super().parse_args(ctx, [arg for arg in args if arg != DEBUG])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted: the same command resumes where this one stopped", file=sys.stderr)
            sys.exit(INTERRUPTED)
        except FlawsmithError as error:
            if self._debug:
                raise
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
        except (Abort, Exit, TyperException, BrokenPipeError):
            raise
        except Exception as error:
            if self._debug:
                raise
            print(f"{type(error).__name__}: {error} (run again with {DEBUG} to see where)", file=sys.stderr)
            sys.exit(1)
