"""Talking to the Hub: what fails for a moment is tried again, what fails for good is told in a sentence.

A refusal is never shown with the token: what the Hub says of it is repeated without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from synth.errors import HubError
from synth.printable import printable, shortened

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further try."""
LONGEST_WAIT_S = 120.0
"""The most that the Hub may ask for."""
CHANGED = 412
"""The status of a commit onto something that has changed since it was read."""
AGAIN = {408, 409, CHANGED, 425, 429, 500, 502, 503, 504}
Answer = TypeVar("Answer")


def persist(
    step: Callable[[], Answer], repo: str, waits: Sequence[float] = WAITS_S, sleep: Callable[[float], None] = time.sleep
) -> Answer:
    """The answer of a step, which is repeated where the Hub is busy, fails, or cannot be reached; it must do no harm
    when repeated. HubError for anything else, and in the end."""
    for wait in (*waits, None):
        try:
            return step()
        except HubError:
            raise
        except Exception as problem:
            status = status_of(problem)
            if type(problem).__name__ == "OfflineModeIsEnabled":
                raise HubError("HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to push") from None
            if status is None and not _is_connection(problem):
                raise
            if wait is None or (status is not None and status not in AGAIN):
                raise HubError(printable(sentence(problem, repo))) from None
            asked = _retry_after(problem)
            if asked > LONGEST_WAIT_S:
                raise HubError(printable(sentence(problem, repo))) from None
            sleep(max(wait, asked))
    raise AssertionError("the last try returns or raises")


def sentence(problem: BaseException, repo: str) -> str:
    """What went wrong, and what to do about it."""
    status, said = status_of(problem), _said(problem)
    match status:
        case None:
            return (
                f"the Hub at {_endpoint()} cannot be reached, or hung up ({said}); check the network and HF_ENDPOINT, "
                "then push again: what it has is not sent again"
            )
        case 401:
            return (
                f"the Hub does not know who pushes to {repo}: there is no token, or it is not valid; run "
                "`hf auth login`, or set HF_TOKEN to a token that may write"
            )
        case 403:
            return (
                f"the Hub refuses to write to {repo} ({said}); use a token that may write there, or a name below your "
                "own account or an organisation that you belong to"
            )
        case 404:
            return (
                f"the Hub has no dataset {repo} that this token can see, or no such revision; check the name and "
                "--revision, or push without --create-pr to create it"
            )
        case 409 | 412:
            return f"{repo} was changed on the Hub while this push went on ({said}); push again"
        case 413:
            return f"the Hub takes nothing as large as this for {repo} ({said}); push fewer samples"
        case 429:
            return f"the Hub asks to slow down ({said}); push again later: what it has is not sent again"
        case _ if status >= 500:
            return f"the Hub fails (status {status}: {said}); push again later: what it has is not sent again"
        case _:
            return f"the Hub refuses {repo} (status {status}: {said})"


def status_of(problem: BaseException) -> int | None:
    """The HTTP status in an error or in one that it came from; 401 where a token is needed and there is none."""
    for one in _chain(problem):
        if type(one).__name__ == "LocalTokenNotFoundError":
            return 401
        response = getattr(one, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def _is_connection(problem: BaseException) -> bool:
    """Whether nothing came back: libraries for HTTP have classes of their own."""
    ours = (ConnectionError, TimeoutError)
    return any(isinstance(one, ours) or type(one).__module__.partition(".")[0] in _HTTP for one in _chain(problem))


_HTTP = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _retry_after(problem: BaseException) -> float:
    """Seconds that the Hub asks to wait."""
    for one in _chain(problem):
        response: Any = getattr(one, "response", None)
        value = "" if response is None else str(response.headers.get("Retry-After", ""))
        if value.isdigit():
            return float(value)
    return 0.0


def _said(problem: BaseException) -> str:
    """The Hub's own words, or the library's, on one line and without the token."""
    from huggingface_hub import get_token

    words = [getattr(one, "server_message", None) for one in _chain(problem)]
    text = next((word for word in words if word), None) or f"{type(problem).__name__}: {problem}"
    token = get_token()
    text = text.replace(token, "***") if token else text
    return shortened(" ".join(text.split()))


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
