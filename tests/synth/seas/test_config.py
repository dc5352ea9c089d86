import subprocess
import sys

import pytest
from pydantic import ValidationError

from synth.seas.config import PARITY, LearningChoices, SeasConfig, SeasSettings


def test_parity_takes_the_whole_table_and_a_named_choice_beats_it():
    published = SeasConfig(parity=True, guidance=2.0)
    for name, value in PARITY.items():
        assert getattr(published, name) == (2.0 if name == "guidance" else value), name


def test_parity_changes_every_choice_that_we_mended():
    ours, published = SeasConfig(), SeasConfig(parity=True)
    mended = ["map_range", "mask_pyramid", "mask_labels", "train_full_embedding", "zoom", "preserve_background"]
    assert all(getattr(ours, name) != getattr(published, name) for name in mended)


def test_a_config_survives_its_own_dump():
    for config in (SeasConfig(), SeasConfig(parity=True), SeasConfig(words={"dent": "pit"})):
        assert SeasConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("mode", "parameters", "rate"), [("full", 9e8, 4e-6), ("full", 1e7, 1e-4), ("lora", 9e8, 1e-4)]
)
def test_open_choices_follow_the_size_of_the_base_and_named_ones_stay(mode, parameters, rate):
    settings = SeasConfig(unet_mode=mode, lr_tokens=0.5).resolved(int(parameters), 64)
    assert (settings.lr_unet, settings.lr_tokens, settings.resolution) == (rate, 0.5, 64)
    left_open = {name for name in SeasSettings.model_fields if getattr(settings, name) is None}
    assert left_open <= {"legal_region", "masks", "turn"}  # no files; and what placement reads off the good images


def test_every_field_is_explained():
    for name, field in SeasConfig.model_fields.items():
        assert name == "kind" or (field.description or "").endswith("."), name


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="guidence"):
        SeasConfig.model_validate({"guidence": 3})


def test_what_only_drawing_reads_is_no_learning_choice():
    assert not {"guidance", "steps", "mask_threshold", "checkpoint_every"} & set(LearningChoices.model_fields)


def test_reading_a_recipe_never_loads_torch():
    code = "import sys, synth.seas.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
