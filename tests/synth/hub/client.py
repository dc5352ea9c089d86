"""A process that takes a local Hub for the real one, and does what tests ask of it.

`huggingface_hub` and `datasets` read their environment when they are imported, so they run in a process of their own;
it is started once, since the imports take seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.synth.hub.local_hub import TOKEN, LocalHub

ROOT = Path(__file__).parents[3]


class Client:
    """Runs Python code; `token` is the one that it has."""

    def __init__(self, hub: LocalHub, home: Path) -> None:
        self.env = {**os.environ, **hub.environment(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.env.pop("HF_HUB_OFFLINE", None)
        self._home = home
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.synth.hub.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.env,
            cwd=ROOT,
            text=True,
        )

    def run(self, code: str, token: str | None = TOKEN, **values: Any) -> Any:
        """What the code leaves in `answer`; `values` are its variables. AssertionError for any that it raises."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"code": code, "values": values, "token": token}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "trace" in answer:
            raise AssertionError(answer["trace"])
        return answer["answer"]

    def flawsmith(self, *words: object, token: str | None = TOKEN) -> tuple[int, str]:
        """Exit code of a command, and what it said."""
        code, text = self.run(_COMMAND, token=token, words=[str(word) for word in words])
        return int(code), str(text)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


_COMMAND = """
import contextlib, io, sys
from synth.cli.main import app
said, code = io.StringIO(), 0
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    try:
        app(words)
    except SystemExit as end:
        code = end.code or 0
answer = [code, said.getvalue()]
"""


def _serve() -> None:
    talk, sys.stdout = sys.stdout, io.StringIO()
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.pop("HF_TOKEN", None)
        if asked["token"] is not None:
            os.environ["HF_TOKEN"] = asked["token"]
        names = {**asked["values"], "__name__": "asked"}
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                exec(asked["code"], names)
            answer = {"answer": names.get("answer")}
        except BaseException:
            answer = {"trace": traceback.format_exc()}
        talk.write(json.dumps(answer) + "\n")
        talk.flush()


if __name__ == "__main__":
    _serve()
