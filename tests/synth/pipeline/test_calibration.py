"""What doctor measured of this machine spares dry runs their trial, on the same machine and versions alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from synth.cli import doctor
from synth.cli.main import app
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline import calibration as module
from synth.pipeline.calibration import Calibration, cache_folder, calibrate, calibration, keep
from synth.sample import Sample
from synth.seas import speed as speeds
from synth.seas.config import SeasConfig
from synth.seas.speed import Speed, known_seconds
from synth.seas.trial import Learning
from tests.conftest import striped_sample

SPEED = Speed(Learning(update=0.5, mask_update=0.25, encoding=0.125, once=10.0), pasted=0.25, drawn=2.25, model_mb=70.0)
SMALL = (
    "source: {kind: procedural, products: [flange], good_images: 3, shots_per_defect: 2, test_per_defect: 1,"
    " size: [61, 83]}\n"
    "generator: {kind: seas, freedom: 0.4, updates_per_defect: 600}\n"
    "request: {per_defect: 30, defects: [dent, rust]}\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAWSMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def measured() -> Calibration:
    """A calibration as doctor keeps it, without the measuring."""
    return keep(SPEED)


def dry_run(tmp_path, *more: str):
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return CliRunner().invoke(app, ["run", str(file), "--dry-run", *more])


def test_what_was_measured_is_read_again(measured):
    assert calibration() == measured
    assert measured.speed == SPEED
    assert f"measured on {measured.measured}" in measured.line()


@pytest.mark.parametrize("damage", ["gone", "bit", "older", "other torch", "other machine"])
def test_what_is_damaged_or_of_another_machine_is_as_if_it_had_not_been_measured(damage, measured, cache):
    file = cache / "machine.json"
    content = read_sealed(file)
    if damage == "gone":
        file.unlink()
    elif damage == "bit":
        file.write_bytes(file.read_bytes().replace(b"0.5", b"0.4"))
    elif damage == "older":
        del content["speed"]["pasted"]
        write_sealed(file, content)
    else:
        content["machine"]["torch" if damage == "other torch" else "cpu"] = "another"
        write_sealed(file, content)
    assert calibration() is None


def test_a_dry_run_makes_no_trial_and_says_where_its_minutes_are_from(measured, tmp_path, monkeypatch):
    monkeypatch.setattr("synth.seas.trial.try_out", None)
    told = dry_run(tmp_path)
    assert told.exit_code == 0, told.stderr
    # two types, 600 updates and 128 windows each; 60 samples of which four in five pass, each with a fifth of the steps
    windows = SeasConfig().windows_per_defect
    minutes = (10 + 2 * (600 * 0.5 + windows * 0.125) + 60 * (0.25 + 0.2 * 2.0) / 0.8) / 60
    assert f"about {minutes:.0f} minutes on this machine, as doctor measured it on {measured.measured}" in told.stdout
    assert "70 MB of it the model" in told.stdout


def good(side: int) -> Sample:
    return striped_sample("g", (side, side + 1), None)


def test_only_what_the_measurement_says_is_taken_from_it():
    shots = [striped_sample("s", (37, 53), "dent", (slice(5, 14), slice(20, 32)))]
    wanted = {("plate", "dent"): 10}
    usual = SeasConfig(freedom=0.4)

    def known(config, images):
        return known_seconds(SPEED, config, shots, images, wanted, None)

    assert known(usual, [good(100)]) is not None
    for other in ({"freedom": 0.0}, {"precision": "bf16"}, {"batch": 2}, {"base": "elsewhere"}, {"resolution": 64}):
        assert known(usual.model_copy(update=other), [good(100)]) is None
    assert known(usual, [good(100), good(speeds.LARGEST)]) is None


def test_masks_count_where_they_are_read_and_samples_by_the_steps_that_they_take():
    shots = [striped_sample(k, (37, 53), k, (slice(5, 14), slice(20, 32))) for k in ("dent", "pit")]
    wanted = {("plate", "dent"): 10, ("plate", "pit"): 10}
    free = SeasConfig(freedom={"dent": 1.0, "default": 0.0}, updates_per_defect=10, mask_updates_per_defect=4)
    fitting, drawing, model = known_seconds(SPEED, free, shots, [good(90)], wanted, None)
    assert fitting == 10 + 10 * 0.5 + 4 * 0.25 + free.windows_per_defect * 0.125
    assert drawing == 10 * 2.25 + 10 * 0.25
    assert model == 70
    half = free.model_copy(update={"freedom": 0.5})
    fitting, drawing, _ = known_seconds(SPEED, half, shots, [good(90)], wanted, None)
    assert fitting == 10 + 2 * (10 * 0.5 + half.windows_per_defect * 0.125)
    assert drawing == 20 * (0.25 + 0.25 * 2.0)


def test_the_cache_is_where_the_system_has_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("FLAWSMITH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module.sys, "platform", "linux")
    assert cache_folder() == tmp_path / "flawsmith"
    monkeypatch.setattr(module.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "flawsmith"


def test_doctor_measures_in_a_process_of_its_own_and_goes_on_where_it_cannot(monkeypatch):
    asked = []
    monkeypatch.setattr(doctor, "_try", lambda code, patience: asked.append(code) or (True, "0.31 s an update"))
    assert doctor.measured_speed() == doctor.Finding("speed", "good", "0.31 s an update")
    compile(asked[0], "code", "exec")
    monkeypatch.setattr(doctor, "_try", lambda code, patience: (False, "no space"))
    assert doctor.measured_speed().state == "weak"


def test_doctor_measures_where_it_is_asked_to_and_else_tells_what_is_kept(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (doctor.speed,))
    monkeypatch.setattr(doctor, "measured_speed", lambda: doctor.Finding("speed", "good", "measured"))
    (told,) = doctor.examine(lambda *_: None)
    assert (told.seen, "--speed" in told.remedy) == ("not measured", True)
    (told,) = doctor.examine(lambda *_: None, measure=True)
    assert told.seen == "measured"


def test_a_measurement_is_of_the_real_thing(monkeypatch, tmp_path):
    """Few updates and draws of the bundled base: what is timed is positive."""
    monkeypatch.setattr("synth.seas.trial.UPDATES", 2)
    monkeypatch.setattr("synth.seas.trial.WINDOWS", 2)
    monkeypatch.setattr(speeds, "SIDE", 96)
    found = calibrate()
    assert min(found.speed.drawn, found.speed.pasted) > 0
    assert min(found.speed.learning.update, found.speed.learning.mask_update) > 0
    assert 20 < found.speed.model_mb < 200
    assert replace(found) == calibration()
