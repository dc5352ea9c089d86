"""The page of a desk on loopback: http://127.0.0.1:PORT/TOKEN/report/index.html

Only who knows the random token is answered, and only under the address itself: a request that names another host, or
comes from a page of another origin, is refused (DNS rebinding). GET gives the page, the files of the run's samples and
`api/decisions`; POST `api/marks`, PUT and DELETE `api/masks/ID` decide; POST `api/finish` ends the review.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from synth.errors import FlawsmithError, RecipeError, WriterError
from synth.io.json_text import json_text
from synth.review.desk import PAGE, Desk
from synth.review.masks import MOST_BYTES

HOST = "127.0.0.1"
PATIENCE_S = 30.0
"""Seconds for which a connection may be silent."""
TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".webp": "image/webp"}
SAFE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ReviewServer(ThreadingHTTPServer):
    """Serves a desk. `finished` is set when the page asked to end, and has been given what `at_end` returned."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int, at_end: Callable[[], list[str]]) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as problem:
            raise WriterError(f"port {port} cannot be used ({problem}); name another one with --port") from problem
        self.desk, self.at_end = desk, at_end
        self.token = secrets.token_urlsafe(24)
        self.finished = threading.Event()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/{PAGE}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is nobody's fault."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(desk: Desk, port: int, at_end: Callable[[], list[str]]) -> Iterator[ReviewServer]:
    """A server that answers until the block ends; port 0: any free one."""
    with ReviewServer(desk, port, at_end) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "flawsmith"
    sys_version = ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address has the token."""

    def _answer(self, act: Callable[[str], None]) -> None:
        """Refuse a request that is not the page's own; else act on its path below the token. What goes wrong with
        decisions is told to the page."""
        place = self._place()
        if place is None:
            return self._json({"error": "refused"}, HTTPStatus.FORBIDDEN)
        try:
            return act(place)
        except FlawsmithError as error:
            wrong_use = isinstance(error, RecipeError)
            status = HTTPStatus.BAD_REQUEST if wrong_use else HTTPStatus.INTERNAL_SERVER_ERROR
            return self._json({"error": str(error)}, status)

    def _place(self) -> str | None:
        """The path below the token; None for a request of another host, origin or token."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in hosts or origin not in (None, f"http://{host}"):
            return None
        _, token, *rest = unquote(urlsplit(self.path).path).split("/", 2)
        return rest[0] if rest and secrets.compare_digest(token.encode(), self.server.token.encode()) else None

    def _get(self, place: str) -> None:
        if place == "api/decisions":
            return self._json(self.server.desk.state())
        path = self.server.desk.file(place)
        if path is None or not path.is_file():
            return self._json({"error": "there is no such file"}, HTTPStatus.NOT_FOUND)
        return self._send(path.read_bytes(), TYPES.get(path.suffix, "application/octet-stream"))

    def _post(self, place: str) -> None:
        if place == "api/marks":
            entry = self._entry()
            self.server.desk.mark({str(entry["id"]): entry["mark"]})
            return self._json({})
        if place == "api/finish":
            self._json({"lines": self.server.at_end()})
            self.server.finished.set()
            return None
        return self._json({"error": "there is nothing to decide there"}, HTTPStatus.NOT_FOUND)

    def _put(self, place: str) -> None:
        self.server.desk.edit(self._sample(place), self._body())
        self._json({})

    def _delete(self, place: str) -> None:
        self.server.desk.edit(self._sample(place), None)
        self._json({})

    def _sample(self, place: str) -> str:
        if not place.startswith("api/masks/"):
            raise RecipeError("there is no mask there")
        return place.removeprefix("api/masks/")

    def _entry(self) -> dict[str, Any]:
        """The JSON of a decision: {"id", "mark"}. RecipeError for anything else."""
        try:
            entry = json.loads(self._body())
            if set(entry) != {"id", "mark"} or not isinstance(entry["mark"], str | None):
                raise ValueError("wanted an id and a mark")
        except (ValueError, TypeError, RecursionError) as problem:
            raise RecipeError(f"that is no decision ({problem})") from problem
        return dict(entry)

    def _body(self) -> bytes:
        """What was sent, at most MOST_BYTES. RecipeError where it is more, or its length unknown."""
        given = self.headers.get("Content-Length", "")
        if not given.isdecimal() or int(given) > MOST_BYTES:
            raise RecipeError(f"wanted a body of at most {MOST_BYTES} bytes, its length said beforehand")
        body = self.rfile.read(int(given))
        if len(body) < int(given):
            raise RecipeError("the body broke off")
        return body

    def _json(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json_text(content).encode(), "application/json", status)

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **SAFE}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
