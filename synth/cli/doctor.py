"""What this machine lacks: one finding a check, each with its remedy.

A check runs in a process of its own where a broken library could take the caller down or fill its memory.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from synth.progress import Progress

OLDEST_PYTHON = (3, 10)
FREE_DISK_GB = 2.0
"""A run of the bundled base and 300 samples takes about half of it."""
MEMORY_GB = 4.0
"""Fine-tuning the bundled base takes about half of it."""
OPEN3D_LINE = "apt-get install -y --no-install-recommends libegl1 libusb-1.0-0 libgl1"
PATIENCE_S = 120.0
"""A cold import of torch from a slow disk takes a minute."""
MEASURING_S = 600.0

State = Literal["good", "weak", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw. weak: works, with something missing; broken: the main job cannot be done."""

    check: str
    state: State
    seen: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        seen = f"{self.state:<7} {self.check:<12} {self.seen}"
        return [seen, f"{'':<21}{self.remedy}"] if self.remedy else [seen]


def examine(progress: Progress, measure: bool = False) -> list[Finding]:
    """All findings, most basic first. measure: how fast the machine is, too, in some two minutes."""
    checks = [measured_speed if measure and check is speed else check for check in CHECKS]
    found = []
    for done, check in enumerate(checks):
        progress("checking", done, len(checks))
        found.append(check())
    progress("checking", len(checks), len(checks))
    return found


def python() -> Finding:
    """The interpreter's version."""
    seen = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("python", "good", seen)
    return Finding("python", "broken", seen, "install Python 3.11 and make a new environment with it")


def torch() -> Finding:
    """Whether torch imports, and what it computes on."""
    gpu = "torch.cuda.get_device_name() if torch.cuda.is_available() else f'{torch.get_num_threads()} CPU threads'"
    worked, answer = _try(f"import torch; print(torch.__version__, 'on', {gpu})")
    if worked:
        return Finding("torch", "good", answer)
    return Finding("torch", "broken", answer, "reinstall it: pip install --force-reinstall -c constraints.txt torch")


def torchvision() -> Finding:
    """A torchvision of another build makes transformers and diffusers fail far from the cause; none at all is right."""
    worked, answer = _try("import torchvision; print(torchvision.__version__)")
    if worked:
        return Finding("torchvision", "good", f"{answer}, not used")
    if "No module named 'torchvision'" in answer:
        return Finding("torchvision", "good", "not installed, not needed")
    remedy = "it breaks transformers and diffusers, and nothing here needs it: pip uninstall -y torchvision"
    return Finding("torchvision", "broken", answer, remedy)


def diffusers() -> Finding:
    """Whether the class that everything is built on imports."""
    worked, answer = _try("import diffusers; diffusers.StableDiffusionPipeline; print(diffusers.__version__)")
    if worked:
        return Finding("diffusers", "good", answer)
    return Finding("diffusers", "broken", answer, "pip install -c constraints.txt diffusers transformers")


def open3d() -> Finding:
    """Whether open3d imports; it needs three libraries of the system, and nothing of the main job needs it."""
    worked, answer = _try("import open3d; print(open3d.__version__)")
    if worked:
        return Finding("open3d", "good", answer)
    remedy = OPEN3D_LINE if re.search(r"lib\S+\.so", answer) else "pip install open3d-cpu, or open3d off Linux x86-64"
    return Finding("open3d", "weak", answer, f"for fast point clouds and viewers: {remedy}")


def disk() -> Finding:
    """Free space where runs land."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    seen = f"{free:.1f} GB free in {Path.cwd()}"
    if free >= FREE_DISK_GB:
        return Finding("disk", "good", seen)
    return Finding("disk", "weak", seen, f"free {FREE_DISK_GB:.0f} GB, or send runs elsewhere with --out")


def memory() -> Finding:
    """Memory and CPU cores of the machine."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return Finding("memory", "good", f"unknown, {os.cpu_count()} CPU cores")
    seen = f"{total:.1f} GB, {os.cpu_count()} CPU cores"
    if total >= MEMORY_GB:
        return Finding("memory", "good", seen)
    return Finding("memory", "weak", seen, "set generator.gradient_checkpointing=true and generator.batch=1")


def base() -> Finding:
    """Whether the bundled base model is there."""
    folder = Path(__file__).parent.parent / "seas" / "tiny_base"
    if (folder / "model_index.json").is_file():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        return Finding("base model", "good", f"tiny, {size:.0f} MB")
    return Finding("base model", "broken", f"nothing in {folder}", "reinstall flawsmith, or name another base")


def speed() -> Finding:
    """How fast the bundled base was here when it was measured."""
    from synth.pipeline.calibration import calibration

    kept = calibration()
    if kept is not None:
        return Finding("speed", "good", kept.line())
    return Finding("speed", "good", "not measured", "flawsmith doctor --speed does, so that dry runs need no trial")


def measured_speed() -> Finding:
    """How fast the bundled base is here; kept, so that dry runs need no trial."""
    root = Path(__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(root)!r})\nfrom synth.pipeline.calibration import calibrate\n"
    worked, answer = _try(f"{code}print(calibrate().line())", MEASURING_S)
    if worked:
        return Finding("speed", "good", answer)
    return Finding("speed", "weak", answer, "could not be measured or kept: each dry run makes a trial of its own")


CHECKS: tuple[Callable[[], Finding], ...] = (python, torch, torchvision, diffusers, open3d, disk, memory, base, speed)


def _try(code: str, patience: float | None = None) -> tuple[bool, str]:
    """Run Python code in a process of its own; whether it ended well, and the last line that it printed."""
    patience = PATIENCE_S if patience is None else patience
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {patience:.0f} s"
    printed = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, printed[-1] if printed else f"ended with code {done.returncode}"
