"""Fine-tuning as a whole, on a pipeline that trains in a second."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from synth.errors import GeneratorError, RunError
from synth.io.digest import check_digests
from synth.sample import Sample
from synth.seas.config import SeasConfig, SeasSettings
from synth.seas.finetune import METHOD, finetune, load_finetuned

QUICK = {"updates_per_defect": 3, "mask_updates_per_defect": 2, "windows_per_defect": 3, "batch": 2}
CONFIG = SeasConfig(**QUICK, checkpoint_every=2, masks=Path("some/masks"))
LOSSES = {3: [1.8726, 1.9603, 2.2727, 2.5453, 3.1073, 2.9241, 0.5410, 0.4056, 0.2767, 0.2301]}
"""Total loss of each update of `reference`, by METHOD."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory, untrained):
    """A folder that was trained without interruption, and the samples it learnt from."""
    from tests.conftest import fresh_copy

    folder = tmp_path_factory.mktemp("reference") / "plate"
    finetune(fresh_copy(untrained), *material(), CONFIG, folder, seed=3)
    return folder


def material() -> tuple[list[Sample], list[Sample]]:
    """Shots of two types, and good images."""
    rng = np.random.default_rng(0)

    def sample(name: str, defect: str | None) -> Sample:
        image = rng.integers(0, 255, (37, 53, 3), dtype=np.uint8)
        mask = np.zeros((37, 53), dtype=bool)
        mask[10:15, 20:30] = defect is not None
        return Sample(id=name, image=image, mask=mask, product="plate", defect=defect)

    return [sample("s0", "dent"), sample("s1", "scratch"), sample("s2", "dent")], [sample("g0", None)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Every trained tensor of a fine-tuned folder."""
    files = [*folder.glob("unet/*.safetensors"), *folder.glob("text_encoder/*.safetensors")]
    return {f"{f}:{k}": v for f in [*files, folder / "mask_head.safetensors"] for k, v in load_file(f).items()}


def assert_equal_models(one: Path, two: Path) -> None:
    """Same tensors to the last bit, same record, same log."""
    first = {key.removeprefix(str(one)): value for key, value in weights(one).items()}
    second = {key.removeprefix(str(two)): value for key, value in weights(two).items()}
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    for name in ("seas.json", "training_log.jsonl", "tokenizer/tokenizer.json"):
        assert (one / name).read_text() == (two / name).read_text()


class Stop(Exception):
    """The process is gone."""


def test_the_folder_opens_in_stock_diffusers_and_draws(reference):
    stock = StableDiffusionPipeline.from_pretrained(str(reference), dtype=torch.float32)
    prompt = load_finetuned(reference).tokens.defective("scratch")
    stock.set_progress_bar_config(disable=True)
    image = stock(prompt, num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0))
    assert image.images.shape == (1, 32, 32, 3)
    assert type(stock.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.processor).__module__.startswith(
        "diffusers"
    )


def test_whoever_may_read_the_log_may_read_the_weights(reference):
    usual = (reference / "training_log.jsonl").stat().st_mode
    files = [file for file in reference.rglob("*") if file.is_file()]
    assert len([file for file in files if file.suffix == ".safetensors"]) == 4
    assert all(file.stat().st_mode == usual for file in files)


def test_a_loaded_model_knows_its_types_and_settings(reference):
    model = load_finetuned(reference)
    assert model.tokens.defects == ("dent", "scratch")
    assert model.settings.lr_unet == 1e-4
    assert model.settings.resolution == 32
    assert model.settings == SeasSettings.model_validate(model.settings.model_dump())
    assert model.settings.masks == Path("some/masks")
    assert not model.mask_head.training
    assert not (reference / "checkpoints").exists()


def test_the_whole_u_net_learns_and_of_the_text_encoder_only_the_new_rows(reference, untrained):
    trained = load_finetuned(reference).pipeline
    before = dict(untrained.unet.named_parameters())
    still = [name for name, p in trained.unet.named_parameters() if torch.equal(p, before[name])]
    assert not still
    old = untrained.text_encoder.state_dict()
    for name, value in trained.text_encoder.state_dict().items():
        assert torch.equal(value[: len(old[name])] if "token_embedding" in name else value, old[name]), name
    table = trained.text_encoder.get_input_embeddings().weight
    new = table[len(untrained.tokenizer) :]
    assert len(new) == 9
    assert len(torch.unique(new, dim=0)) == 9


def test_the_log_has_one_line_an_update_with_each_loss(reference):
    rows = [json.loads(line) for line in (reference / "training_log.jsonl").read_text().splitlines()]
    assert [(row["stage"], row["update"]) for row in rows] == [
        *(("denoiser", u) for u in range(1, 7)),
        *(("mask", u) for u in range(1, 5)),
    ]
    assert {"total", "df", "na", "da"} <= rows[0].keys()


def test_losses_change_with_the_method_number_alone(reference):
    rows = [json.loads(line) for line in (reference / "training_log.jsonl").read_text().splitlines()]
    assert [row["total"] for row in rows] == pytest.approx(LOSSES[METHOD], rel=0.005), (
        "training changed: raise METHOD, and give LOSSES the new row"
    )


@pytest.mark.parametrize("stop", [("denoiser", 1), ("denoiser", 3), ("denoiser", 6), ("mask", 3)])
def test_a_call_stopped_after_any_update_ends_with_the_same_bits(stop, reference, new_pipeline, tmp_path):
    def until_stopped(stage: str, done: int, _total: int) -> None:
        if (stage, done) == stop:
            raise Stop

    folder = tmp_path / "plate"
    with pytest.raises(Stop):
        finetune(new_pipeline(), *material(), CONFIG, folder, seed=3, progress=until_stopped)
    finetune(new_pipeline(), *material(), CONFIG, folder, seed=3)
    assert_equal_models(reference, folder)


def test_calls_stopped_before_every_single_rename_end_with_the_same_bits(
    reference, new_pipeline, tmp_path, monkeypatch
):
    """Each call survives one rename more than the one before it, until one gets through."""
    rename, folder = Path.replace, tmp_path / "plate"
    left = [0]

    def fragile(path: Path, target: Path) -> Path:
        if left[0] == 0:
            raise Stop
        left[0] -= 1
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", fragile)
    for allowed in range(2, 40, 3):
        left[0] = allowed
        try:
            finetune(new_pipeline(), *material(), CONFIG, folder, seed=3)
        except Stop:
            assert not (folder / "seas.json").exists()
        else:
            break
    assert allowed > 2
    assert_equal_models(reference, folder)


def test_a_killed_process_leaves_what_another_ends_with_the_same_bits(reference, new_pipeline, tmp_path):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from synth.seas.base import MICRO, build_untrained
from synth.seas.finetune import finetune
from tests.synth.seas.test_finetune import CONFIG, material
def die(stage, done, total):
    if (stage, done) == ("denoiser", 5):
        os.kill(os.getpid(), signal.SIGKILL)
finetune(build_untrained(MICRO), *material(), CONFIG, Path({str(tmp_path / "plate")!r}), seed=3, progress=die)
"""
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list((tmp_path / "plate/checkpoints").glob("denoiser-*.safetensors"))) == 2
    finetune(new_pipeline(), *material(), CONFIG, tmp_path / "plate", seed=3)
    assert_equal_models(reference, tmp_path / "plate")


def test_a_complete_folder_is_left_alone(reference, new_pipeline):
    before = {path: path.stat().st_mtime_ns for path in reference.rglob("*")}
    finetune(new_pipeline(), *material(), CONFIG, reference, seed=3)
    changed_drawing = CONFIG.model_copy(update={"guidance": 9.0, "checkpoint_every": 1})
    finetune(new_pipeline(), *material(), changed_drawing, reference, seed=3)
    finetune(new_pipeline(), *material(), CONFIG.model_copy(update={"base": "moved/here"}), reference, seed=3)
    assert {path: path.stat().st_mtime_ns for path in reference.rglob("*")} == before


@pytest.mark.parametrize("change", ["seed", "config", "image", "base", "scheduler", "version"])
def test_a_folder_of_another_training_is_refused(change, reference, new_pipeline, monkeypatch):
    shots, good_images = material()
    pipeline, config, seed = new_pipeline(), CONFIG, 3
    if change == "seed":
        seed = 4
    elif change == "config":
        config = CONFIG.model_copy(update={"weight_da": 2.0})
    elif change == "base":
        pipeline.unet.mid_block.resnets[0].conv1.bias.data[0] += 0.01
    elif change == "scheduler":
        pipeline.scheduler.register_to_config(prediction_type="sample")
    elif change == "version":
        monkeypatch.setattr("synth.seas.finetune.METHOD", 0)
    else:
        shots[0] = Sample(**{**_fields(shots[0]), "image": 255 - shots[0].image})
    with pytest.raises(GeneratorError, match="other images or settings"):
        finetune(pipeline, shots, good_images, config, reference, seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"unet_mode": "lora", "lora_rank": 2},
        {"precision": "bf16", "gradient_checkpointing": True},
        {"parity": True, "ema_decay": 0.5},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_every_profile_trains_resumes_and_loads(changes, new_pipeline, tmp_path):
    if "unet_mode" in changes:
        pytest.importorskip("peft")
    config = SeasConfig(**{**QUICK, "updates_per_defect": 2, "mask_updates_per_defect": 1, **changes})

    def until_stopped(stage: str, _done: int, _total: int) -> None:
        if stage == "mask":
            raise Stop

    shots, good_images = material()
    finetune(new_pipeline(), shots, good_images, config, tmp_path / "through", seed=0)
    with pytest.raises(Stop):
        finetune(new_pipeline(), shots, good_images, config, tmp_path / "resumed", seed=0, progress=until_stopped)
    finetune(new_pipeline(), shots, good_images, config, tmp_path / "resumed", seed=0)
    assert_equal_models(tmp_path / "through", tmp_path / "resumed")
    untrained = new_pipeline()
    moved = [
        name
        for name, p in load_finetuned(tmp_path / "through").pipeline.unet.named_parameters()
        if not torch.equal(p, untrained.unet.get_parameter(name))
    ]
    only_attention = all(".to_" in name for name in moved)
    assert moved
    assert only_attention == (config.unet_mode == "lora")


def test_the_alignment_loss_pulls_the_defects_attention_onto_its_mask(new_pipeline, tmp_path):
    """With the other losses switched off its value falls; the curve is the test of the whole capture path."""
    shots, good_images = material()
    config = SeasConfig(
        **{**QUICK, "updates_per_defect": 25, "weight_da": 100.0, "lr_unet": 3e-3, "lr_tokens": 3e-2, "zoom": False}
    )
    finetune(new_pipeline(), shots, good_images, config, tmp_path / "plate", seed=0)
    rows = [json.loads(line) for line in (tmp_path / "plate/training_log.jsonl").read_text().splitlines()]
    da = [row["da"] for row in rows if row["stage"] == "denoiser"]
    assert np.mean(da[-10:]) < 0.8 * np.mean(da[:10])


def _fields(sample: Sample) -> dict:
    return {name: getattr(sample, name) for name in sample.__dataclass_fields__}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda shots, good_images: good_images.clear(), "0 good images"),
        (lambda shots, good_images: shots.clear(), "0 shots"),
        (
            lambda shots, good_images: shots.append(Sample(**{**_fields(shots[0]), "id": "odd", "product": "cup"})),
            "cup",
        ),
        (lambda shots, good_images: shots.append(Sample(**{**_fields(shots[0]), "id": "odd", "defect": None})), "odd"),
        (lambda shots, good_images: shots.append(Sample(**{**_fields(shots[0]), "id": "odd", "image": None})), "odd"),
        (
            lambda shots, good_images: shots.append(
                Sample(**{**_fields(good_images[0]), "id": "odd", "defect": "dent"})
            ),
            "odd",
        ),
    ],
)
def test_material_that_cannot_be_learnt_from_is_named(spoil, message, new_pipeline, tmp_path):
    shots, good_images = material()
    spoil(shots, good_images)
    with pytest.raises(GeneratorError, match=message):
        finetune(new_pipeline(), shots, good_images, CONFIG, tmp_path / "plate", seed=3)
    assert not (tmp_path / "plate").exists()


def test_a_resolution_the_base_cannot_halve_is_refused(new_pipeline, tmp_path):
    with pytest.raises(GeneratorError, match="multiple of 16"):
        finetune(new_pipeline(), *material(), SeasConfig(resolution=40), tmp_path / "plate", seed=0)


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_update(new_pipeline, tmp_path):
    pipeline = new_pipeline()
    with torch.no_grad():
        pipeline.unet.conv_out.weight.fill_(float("nan"))
    with pytest.raises(RunError, match="at update 1: total, df"):
        finetune(pipeline, *material(), CONFIG, tmp_path / "plate", seed=0)


def test_a_place_that_cannot_be_written_is_named(new_pipeline, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/plate"):
        finetune(new_pipeline(), *material(), CONFIG, tmp_path / "file/plate", seed=0)


def test_an_unfinished_folder_does_not_load(tmp_path):
    with pytest.raises(GeneratorError, match="no finished"):
        load_finetuned(tmp_path)


def flipped(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_flipped_bit_in_any_file_of_a_finished_model_is_named_or_does_no_harm(reference, tmp_path):
    names = files(reference)
    assert {"files.json", "seas.json", "mask_head.safetensors", "unet/config.json"} <= {*names}
    for number, name in enumerate(names):
        folder = Path(shutil.copytree(reference, tmp_path / str(number)))
        flipped(folder / name)
        with pytest.raises(GeneratorError, match=r"is damaged or missing: delete .* and run the same command again"):
            load_finetuned(folder)
        (folder / name).unlink()
        with pytest.raises(GeneratorError, match=r"damaged or missing|holds no finished"):
            load_finetuned(folder)


@pytest.mark.parametrize("name", ["files.json", "seas.json", "mask_head.safetensors", "unet/config.json"])
def test_a_damaged_finished_model_is_reported_and_made_again_to_the_same_bits(name, reference, new_pipeline, tmp_path):
    folder, stages = Path(shutil.copytree(reference, tmp_path / "plate")), []
    flipped(folder / name)
    finetune(new_pipeline(), *material(), CONFIG, folder, seed=3, progress=lambda stage, *_: stages.append(stage))
    assert [text for text in stages if "damaged or missing: the model is made again" in text]
    assert_equal_models(reference, folder)
    assert check_digests(folder) == []


@pytest.mark.parametrize(("stop", "kinds"), [(("denoiser", 5), 2), (("mask", 3), 8)])
def test_a_flipped_bit_in_any_file_of_an_interrupted_training_heals_to_the_same_bits(
    stop, kinds, reference, new_pipeline, tmp_path
):
    def until_stopped(stage: str, done: int, _total: int) -> None:
        if (stage, done) == stop:
            raise Stop

    whole = tmp_path / "whole"
    with pytest.raises(Stop):
        finetune(new_pipeline(), *material(), CONFIG, whole, seed=3, progress=until_stopped)
    stages: list[str] = []
    for number, name in enumerate(files(whole)):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        flipped(folder / name)
        finetune(new_pipeline(), *material(), CONFIG, folder, seed=3, progress=lambda stage, *_: stages.append(stage))
        assert_equal_models(reference, folder)
        shutil.rmtree(folder)
    assert len({text for text in stages if "damaged" in text}) >= kinds
