"""What the command writes: all of it goes through this file, so that no name steers a terminal and no stream that is
gone ends a run."""

from __future__ import annotations

import io
import os
import sys
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, TextIO, cast

from synth.cli.lines import Lines
from synth.io.json_text import json_text
from synth.printable import printable
from synth.progress import WHOLE

if TYPE_CHECKING:
    from rich.progress import TaskID


class Report(Protocol):
    """What a verb found out: lines for people, plain types for programs."""

    def lines(self) -> list[str]: ...

    def to_json(self) -> dict[str, Any] | list[Any]: ...


def say(*lines: str, error: bool = False) -> None:
    """Print lines for people; whatever a name has in it, none becomes two lines. stderr may fail, stdout may not."""
    text = "".join(f"{printable(line)}\n" for line in lines)
    with suppress(*([OSError, ValueError] if error else [])):
        _write(sys.stderr if error else sys.stdout, text)


def put(text: str) -> None:
    """Print text for programs as it is: JSON or YAML, which their writers have escaped."""
    _write(sys.stdout, text)


def knows(text: str) -> bool:
    """Whether stdout has every letter of a text."""
    return _known(sys.stdout, text) == text


def print_report(report: Report, as_json: bool) -> None:
    """Print a report for people, or its `to_json()` for programs."""
    if as_json:
        put(json_text(report.to_json(), indent=2) + "\n")
    else:
        say(*report.lines())


class Bars(AbstractContextManager["Bars"]):
    """A `synth.progress.Progress`: one bar a stage, and one for all stages where their number is known; lines with
    times where stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(file=cast(IO[str], _Unfailing(sys.stderr)))
        # A name with [brackets] is no markup.
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = self._console.is_terminal
        self._progress = Progress(*columns, console=self._console, redirect_stdout=False, disable=not shown)
        self._lines = None if shown else Lines(lambda line: say(line, error=True))
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._lines is not None:
            self._lines.end(failed=error is not None)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show `done` of `total`; a total of 0 is an unknown one."""
        if stage == WHOLE and total < 2:
            return
        if self._lines is not None:
            self._lines(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(printable(stage), total=total or None)
        elif done == total == 1:  # one of very many steps of the whole
            self._progress.remove_task(self._tasks.pop(stage))
            return
        self._progress.update(self._tasks[stage], completed=done, total=total or None)


class _Unfailing(io.TextIOBase):
    """A stream for rich, sys.stderr or None; what it does not take is lost in silence."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            _write(self._stream, text)
        return len(text)


def forsake(stream: TextIO) -> None:
    """Point a stream that failed at nothing, so that the rest of its buffer does not fail again when the process
    ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _write(stream: TextIO | None, text: str) -> None:
    """Write at once, letters that the stream does not know as escapes; or forsake the stream and raise the error."""
    if stream is None:
        return
    try:
        stream.write(_known(stream, text))
        stream.flush()
    except (OSError, ValueError):
        forsake(stream)
        raise


def _known(stream: TextIO, text: str) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
