"""The doctor finds what is broken before a long job finds out, each finding with its remedy."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from synth.cli import doctor
from synth.cli.main import app


def fake_library(tmp_path, monkeypatch, name: str, body: str) -> None:
    """A library of this name that any Python started from here imports first."""
    (tmp_path / f"{name}.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def finding(check: str, state: doctor.State) -> doctor.Finding:
    return doctor.Finding(check, state, "seen", "do this")


def test_a_broken_torchvision_is_reported_with_the_line_that_mends_it(tmp_path, monkeypatch):
    fake_library(tmp_path, monkeypatch, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    found = doctor.torchvision()
    assert found.state == "broken"
    assert "operator torchvision::nms does not exist" in found.seen
    assert "pip uninstall -y torchvision" in found.remedy


def test_a_working_torchvision_and_a_missing_one_are_both_good(tmp_path, monkeypatch):
    fake_library(tmp_path, monkeypatch, "torchvision", "__version__ = '0.0'")
    assert doctor.torchvision().state == "good"
    fake_library(tmp_path, monkeypatch, "torchvision", "raise ModuleNotFoundError(\"No module named 'torchvision'\")")
    assert doctor.torchvision().seen == "not installed, not needed"


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        ("libusb-1.0.so.0: cannot open shared object file", doctor.OPEN3D_LINE),
        ("No module named 'open3d'", "pip install open3d-cpu"),
    ],
)
def test_open3d_is_mended_by_apt_or_pip_and_never_stops_the_main_job(tmp_path, monkeypatch, failure, remedy):
    fake_library(tmp_path, monkeypatch, "open3d", f"raise ImportError({failure!r})")
    found = doctor.open3d()
    assert found.state == "weak"
    assert failure in found.seen
    assert remedy in found.remedy


def test_torch_that_does_not_import_is_broken(tmp_path, monkeypatch):
    fake_library(tmp_path, monkeypatch, "torch", "raise OSError('libtorch_cpu.so: cannot open shared object file')")
    assert doctor.torch().state == "broken"


def test_a_library_that_never_answers_is_not_waited_for(tmp_path, monkeypatch):
    fake_library(tmp_path, monkeypatch, "torchvision", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.3)
    assert doctor.torchvision().seen.startswith("no answer within")


def test_a_full_disk_is_weak(monkeypatch):
    monkeypatch.setattr(doctor, "FREE_DISK_GB", 1e9)
    assert doctor.disk().state == "weak"


def test_an_old_python_is_broken(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (sys.version_info.major, sys.version_info.minor + 1))
    assert doctor.python().state == "broken"


@pytest.mark.parametrize(("states", "code"), [(["good", "weak"], 0), (["good", "broken", "weak"], 1)])
def test_only_what_is_broken_makes_the_command_fail(monkeypatch, states, code):
    checks = [lambda state=state: finding("torch", state) for state in states]
    monkeypatch.setattr(doctor, "CHECKS", checks)
    for arguments in (["doctor"], ["doctor", "--json"]):
        assert CliRunner().invoke(app, arguments).exit_code == code
    answer = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert [entry["state"] for entry in answer] == states
    assert answer[0]["remedy"] == "do this"
