"""What may have been meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LISTED = 20
"""Known names that a message lists."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled much like this one, or None."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean x?`, or `there are: a, b, c` where no known name is close."""
    names = list(known)
    near = closest(name, names)
    if near is not None:
        return f"did you mean {near}?"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"there are: {', '.join(names[:MOST_LISTED]) or 'none'}{more}"
