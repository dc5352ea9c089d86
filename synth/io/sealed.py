"""JSON that knows its own sha256: any changed byte is found when it is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from synth.io.atomic import write_whole
from synth.io.json_text import json_text


def sealed(content: Any) -> bytes:
    """{"sha256": ..., "content": ...}; the same content gives the same bytes."""
    text = json_text(content, indent=1)
    return f'{{"sha256": "{hashlib.sha256(text.encode()).hexdigest()}", "content": {text}}}\n'.encode()


def unsealed(data: bytes) -> Any:
    """The content of what `sealed` gave. ValueError for anything else, down to a single byte."""
    try:
        content = json.loads(data)["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ValueError("it is not the JSON that was written") from problem
    if sealed(content) != data:
        raise ValueError("its sha256 is another")
    return content


def write_sealed(path: Path, content: Any) -> None:
    """The content as a file, whole or not at all."""
    write_whole(path, sealed(content))


def read_sealed(path: Path) -> Any:
    """What `write_sealed` wrote. ValueError where it is damaged, OSError where it cannot be read."""
    return unsealed(path.read_bytes())
