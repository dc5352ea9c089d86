"""How the command ends: errors as sentences, and an exit code that a script can trust.

0 done, 1 failed at work, 2 wrong use or invalid input, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import errno
import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from synth.cli.stopping import Stopped, farewell, heeding
from synth.cli.terminal import forsake, say
from synth.errors import FlawsmithError
from synth.io.atomic import explain, is_full
from synth.printable import printable

DEBUG = "--debug"
_MEMORY = (
    "the memory ran out; close other programs, or ask for less at once: a smaller generator.batch or "
    "generator.draw_batch, or fewer --workers"
)
_REFUSALS = {
    errno.ENOMEM: _MEMORY,
    errno.EIO: "the disk or device failed to read or write; check it before you trust what is on it",
    errno.EMFILE: "too many files are open; allow more with: ulimit -n 4096",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.EACCES: "no permission; change the rights of the place or choose another",
    errno.EROFS: "the place can only be read; choose another --out",
}


class Verbs(TyperGroup):
    """The command's verbs. What goes wrong in one is reported in a sentence; `--debug` anywhere shows the traceback."""

    _debug = False

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):  # a help page is not written by `say`
            sys.stdout.reconfigure(errors="backslashreplace")
        with heeding():
            try:
                return super().main(*args, **kwargs)
            except OSError as error:  # not even the help could be written
                forsake(sys.stdout)
                say(*sentences(error), error=True)
                sys.exit(1)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self._debug = DEBUG in args
        with _misuse_reported():
            return super().parse_args(ctx, [arg for arg in args if arg != DEBUG])

    def invoke(self, ctx: Any) -> Any:
        try:
            with _misuse_reported():
                return super().invoke(ctx)
        except (Abort, Exit):
            raise
        except KeyboardInterrupt as stop:
            farewell()
            sys.exit(stop.exit_code if isinstance(stop, Stopped) else Stopped().exit_code)
        except BrokenPipeError:  # whoever read the answer has enough of it
            sys.exit(1)
        except Exception as error:
            say(*(_traceback(error) if self._debug else sentences(error)), error=True)
            sys.exit(error.exit_code if isinstance(error, FlawsmithError) else 1)


def sentences(error: Exception) -> list[str]:
    """What went wrong and what to do about it."""
    if isinstance(error, FlawsmithError):
        return error.lines()
    where = f"(run again with {DEBUG} to see where)"
    file = error.filename if isinstance(error, OSError) else None
    if file and is_full(error):
        return [f"{file}: {explain(error, Path(str(file)))} {where}"]
    if is_full(error):  # stdout, or a library that does not say where it wrote
        return [f"the disk is full; free some space or choose another --out, then run the same command {where}"]
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return [f"{f'{file}: ' if file else ''}{_REFUSALS[error.errno]} {where}"]
    # torch has no class of its own for the memory of a CPU; joblib's is for a worker that the system ended.
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError", "TerminatedWorkerError"} or "allocate memory" in str(error):
        return [f"{_MEMORY} {where}"]
    if isinstance(error, RecursionError):
        return [f"the input is nested too deeply to be read; make it simpler {where}"]
    if isinstance(error, ImportError):
        return [f"{error}; flawsmith doctor shows what is missing and how to install it {where}"]
    return [f"{type(error).__name__}: {error} {where}"]


def _traceback(error: Exception) -> list[str]:
    return "".join(traceback.format_exception(error)).splitlines()


@contextmanager
def _misuse_reported() -> Iterator[None]:
    """Report wrong words on the command line, which the message repeats, and end."""
    try:
        yield
    except TyperException as raised:
        misuse: Any = raised  # every one that typer raises can show itself; the class that says so is private to it
        misuse.message = "\n".join(map(printable, misuse.message.split("\n")))
        message = io.StringIO()
        misuse.show(message)
        say(*message.getvalue().splitlines(), error=True)
        sys.exit(misuse.exit_code)
