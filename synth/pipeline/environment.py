"""What a run was made with: the versions and the machine on which its images repeat bit for bit."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from synth.errors import RunError

_LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "scipy", "pillow", "opencv-python-headless")


def describe() -> dict[str, str]:
    """Versions of flawsmith, Python and the libraries that draw, the device, the CPU with its instruction set, and the
    number of CPU threads."""
    import torch

    import synth

    found = {"flawsmith": synth.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    gpu = torch.cuda.is_available()
    found["device"] = torch.cuda.get_device_name() if gpu else f"cpu ({platform.machine()})"
    found["cpu"] = f"{_cpu_model()}, {torch.backends.cpu.get_cpu_capability()}"
    found["threads"] = str(torch.get_num_threads())
    return found


def read_environment(path: Path) -> dict[str, str]:
    """What `describe` gave, from a run's file. RunError where that is gone or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        int(found["threads"])
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise RunError(
            f"{path} is damaged or missing ({problem}); run the same recipe again to restore it"
        ) from problem


def fix_threads(made_with: Mapping[str, str]) -> None:
    """Compute with as many CPU threads as the run began with: another number changes the last bits of a sum."""
    import torch

    torch.set_num_threads(int(made_with["threads"]))


def differences(made_with: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """What would change the images, as "torch 2.12 there, 2.13 here"; threads can be set and so do not count."""
    names = sorted((made_with.keys() | here.keys()) - {"python", "threads"})
    changed = [name for name in names if made_with.get(name) != here.get(name)]
    return [f"{name} {made_with.get(name, 'absent')} there, {here.get(name, 'absent')} here" for name in changed]


def _cpu_model() -> str:
    """The CPU's name, as the system gives it."""
    with suppress(OSError, UnicodeDecodeError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
