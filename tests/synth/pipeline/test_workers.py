"""Where shards are made changes nothing: one worker, several, Ray, shares made ahead, workers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from synth.errors import RunError
from synth.pipeline import environment
from synth.pipeline.executors.local import Processes
from synth.pipeline.job import Job, Worker
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.runs import make_ahead, run
from synth.pipeline.shards import Shard, load_shard, save_shard
from synth.recipe import Recipe
from tests.synth.blobs import recipe_for, tree, write_source


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def recipe(source) -> Recipe:
    """A generator of the registry, so that every process knows it."""
    return recipe_for(
        source,
        generator={"kind": "copy_paste", "draw_batch": 2, "placement": "anywhere"},
        request={"per_defect": 9},
        checks={"max_area": 0.12, "min_tight": 0},
        output={"format": ["mvtec", "parquet"]},
    )


@pytest.fixture(scope="module")
def alone(recipe, tmp_path_factory) -> dict[str, bytes]:
    return tree(run(recipe, tmp_path_factory.mktemp("alone") / "out").path)


@pytest.mark.parametrize("workers", [2, 4])
def test_worker_processes_end_with_the_bytes_of_one(workers, recipe, alone, tmp_path):
    assert tree(run(recipe, tmp_path / "out", workers=workers).path) == alone


def test_actors_of_ray_end_with_the_bytes_of_one_though_one_is_killed(recipe, alone, tmp_path):
    ray = pytest.importorskip("ray")
    killed = []

    def kill_one(stage: str, done: int, total: int) -> None:
        if stage.startswith("drawing") and done and not killed:
            actors = [one for one in _children(os.getpid()) if one.name().startswith("ray::Worker")]
            killed.extend(actors[:1])
            for actor in killed:
                actor.kill()

    try:
        made = run(recipe, tmp_path / "out", kill_one, workers=3, executor="ray")
    finally:
        ray.shutdown()
    assert killed
    assert tree(made.path) == alone


def test_a_run_of_one_worker_that_is_killed_is_resumed_by_three(recipe, alone, tmp_path):
    def interrupted(stage: str, done: int, total: int) -> None:
        if stage.startswith("drawing") and done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "out", interrupted)
    assert not (tmp_path / "out" / "manifest.parquet").exists()
    assert tree(run(recipe, tmp_path / "out", workers=3).path) == alone


@pytest.mark.parametrize("shares", [[0, 1, 2], [1]])
def test_shares_made_ahead_are_committed_and_what_is_missing_is_made(shares, recipe, alone, tmp_path):
    for share in shares:
        folder = make_ahead(recipe, tmp_path / "out", (share, 3))
    made = sorted(folder.shards.rglob("*.zip"))
    assert made
    made[0].write_bytes(made[0].read_bytes()[:-40])  # torn: made again
    assert tree(run(recipe, tmp_path / "out").path) == alone
    assert not folder.shards.exists()


def test_a_shard_survives_its_file(recipe, source, tmp_path):
    split = prepare(recipe, silent).split
    worker = Worker(Job(recipe, tmp_path / "model", split.shots, split.good_images, environment.describe()))
    candidates = worker.make(Shard("tile", "crack", 1, 2, 3))
    save_shard(candidates, tmp_path / "shard.zip")
    assert load_shard(tmp_path / "shard.zip") == candidates
    assert candidates == worker.make(Shard("tile", "crack", 1, 2, 3))
    (tmp_path / "shard.zip").write_bytes(b"no zip")
    with pytest.raises(RunError, match=r"shard\.zip is no shard"):
        load_shard(tmp_path / "shard.zip")


def test_a_worker_that_is_killed_costs_what_it_was_making(recipe, tmp_path):
    split = prepare(recipe, silent).split
    job = Job(recipe, tmp_path / "model", split.shots, split.good_images, environment.describe())
    shards = [Shard("tile", "crack", number, 2, 3) for number in range(4)]
    expected = [Worker(job).make(shard) for shard in shards]
    with Processes(job, 2) as pool:
        for shard in shards:
            pool.submit(shard)
        assert pool.result(shards[0]) == expected[0]
        os.kill(next(iter(pool._pool._processes)), signal.SIGKILL)
        assert [pool.result(shard) for shard in shards[1:]] == expected[1:]
        workers = [psutil.Process(process) for process in pool._pool._processes]
    assert not any(map(_alive, workers))


def test_workers_end_with_a_process_that_is_killed_and_three_others_resume_it(recipe, alone, tmp_path):
    code = (
        "import sys, time\nfrom synth.recipe import load_recipe\nfrom synth.pipeline.runs import run\n"
        "def told(stage, done, total):\n    print(stage, flush=True)\n    time.sleep(0.2)\n"
        "if __name__ == '__main__':\n    run(load_recipe(sys.argv[1]), sys.argv[2], told, workers=2)\n"
    )
    (tmp_path / "made.py").write_text(code)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    command = [sys.executable, str(tmp_path / "made.py"), str(tmp_path / "recipe.yaml"), str(tmp_path / "out")]
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=place)
    assert process.stdout is not None
    drawing = 0
    while drawing < 2:
        drawing += process.stdout.readline().startswith("drawing")
    workers = _children(process.pid)
    process.kill()
    process.wait()
    assert workers
    _wait(lambda: not any(map(_alive, workers)))
    assert not (tmp_path / "out" / "manifest.parquet").exists()
    assert tree(run(recipe, tmp_path / "out", workers=3).path) == alone


def test_products_are_fitted_side_by_side_and_a_dead_worker_is_told(recipe, tmp_path, monkeypatch):
    split = prepare(recipe, silent).split
    job = Job(recipe, tmp_path / "model", split.shots, split.good_images, environment.describe())
    with Processes(job, 2) as pool:
        assert list(pool.fit(["tile"])) == ["tile"]
        waiting = pool.fit(["tile"])
        threading.Timer(0.0, lambda: [os.kill(p, signal.SIGKILL) for p in list(pool._pool._processes)]).start()
        time.sleep(0.3)
        with pytest.raises(RunError, match="a worker was killed"):
            list(waiting)


def _children(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _wait(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
