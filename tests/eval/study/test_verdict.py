"""What is concluded from measurements, on simulated ones whose truth is known."""

import json
import re
import socket
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from eval.metrics import bootstrap
from eval.study.judging import judge
from eval.study.settings import parse_settings
from eval.study.study import Conduct, Measured, Study
from eval.study.verdict import verdict
from eval.study.verdict_page import as_markdown, as_plot, write_pages
from synth.errors import EvalError
from synth.pipeline.preparation import silent

TYPES = ["crack"] * 12 + ["pit"] * 25 + ["stain"] * 18 + ["bend"]
SIZES = (["tiny", "small", "medium", "large"] * 14)[: len(TYPES)]
GAINS = {"real": 0.0, "copy_paste": 0.02, "ours_real": 0.15, "noise_control": 0.0}
STUDY = Study({"lfd": {"steps": 9}}, tuple(GAINS), 3)


def simulated(
    seed: int, gains: dict[str, float] = GAINS, variance: float = 0.02, trainings: int = 3, scale: float = 1.0
) -> Measured:
    """Hard and easy images, trainings with good and bad seeds, and for each training set a gain that is its own; all
    values times `scale`."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(0.2, 0.6, len(TYPES))
    results = []
    for training_set, gain in gains.items():
        for number in range(trainings):
            values = scale * (gain + hard + rng.normal(0, variance) + rng.normal(0, 0.05, len(TYPES)))
            figures = dict.fromkeys(("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30"), 0.5)
            figures |= {"image_auroc": 0.9, "image_ap": 0.8}
            results.append(
                {
                    "segmenter": "lfd",
                    "training_set": training_set,
                    "seed": number,
                    "iou": values.tolist(),
                    "best_iou": (values + scale * 0.1).tolist(),
                    "false_area": [0.01] * 5,
                    "trained": {"seconds": 60.0 + 1e-6 * len(results), "data_wait": 0.02, "cores": 1.5},
                    **figures,
                }
            )
    return Measured(TYPES, SIZES, 5, ["tile/stain/blank.png"], {"bend": 0, "crack": 2, "pit": 5, "stain": 3}, results)


@pytest.fixture(scope="module")
def judged():
    return judge("outputs/tiles", STUDY, simulated(1))


def test_a_gain_is_found_by_type_and_size_and_seed_variance_is_no_evidence(judged):
    ours, control = judged.gain("lfd", "ours_real"), judged.gain("lfd", "noise_control")
    assert ours.verdict == "helps"
    assert ours.interval.low < 0.15 < ours.interval.high
    assert ours.images == 55
    assert control.verdict == "no evidence"
    assert judged.gain("lfd", "ours_real", what="pit").verdict == "helps"
    assert judged.gain("lfd", "ours_real", what="size tiny").images == SIZES.count("tiny")
    assert judged.gain("lfd", "ours_real", over="copy_paste").verdict == "helps"
    lone = judged.gain("lfd", "ours_real", what="bend")
    assert (lone.verdict, lone.interval, lone.images) == ("too few images", None, 1)


def test_the_noise_control_is_no_evidence_in_nineteen_of_twenty_verdicts():
    training_sets = {"real": 0.0, "noise_control": 0.0}
    study = Study(STUDY.segmenters, tuple(training_sets), 3)
    said = [judge("r", study, simulated(s, training_sets)).gain("lfd", "noise_control").verdict for s in range(60)]
    assert said.count("no evidence") / len(said) >= 19 / 20


def test_standings_average_over_types_with_enough_images(judged):
    table = simulated(1).table("iou", "lfd", "ours_real")[:, :55]
    standing = next(s for s in judged.standings if s.training_set == "ours_real")
    assert standing.iou == bootstrap(table, TYPES[:55])
    by_type = [table[:, np.array(TYPES[:55]) == kind].mean() for kind in ("crack", "pit", "stain")]
    assert standing.iou.value == pytest.approx(np.mean(by_type))
    assert standing.figures["best_iou"] == pytest.approx(standing.iou.value + 0.1)
    assert judged.training["minutes"] == pytest.approx(12)


def test_text_table_plot_and_json_say_the_same(judged, tmp_path):
    interval = judged.gain("lfd", "ours_real").interval
    points = f"{100 * interval.value:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    assert f"gain {interval} helps" in str(judged)
    assert "noise control" in str(judged)
    table = as_markdown(judged)
    assert f"{points} helps" in table
    assert "| pit | 25 |" in table
    assert "masks are blank: tile/stain/blank.png" in table
    assert "validation shots, from which nothing was learnt: 2 crack, 5 pit, 3 stain." in table
    for text in (table, str(judged)):
        assert "No validation shots: bend. The threshold for them is the best one for the other types." in text
    assert len({line.count("|") for line in table.splitlines() if line.startswith(("| all", "| size"))}) == 1
    drawn = ElementTree.fromstring(as_plot(judged))
    assert points in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 3
    write_pages(judged, tmp_path)
    stored = json.loads((tmp_path / "verdict.json").read_text())
    found = [
        g for g in stored["gains"] if (g["training_set"], g["over"], g["what"]) == ("ours_real", "real", "all types")
    ]
    assert found[0]["interval"]["value"] == interval.value
    assert found[0]["verdict"] == "helps"


def test_two_seeds_are_too_few(tmp_path):
    with pytest.raises(EvalError, match=r"2 seeds, wanted at least 3: .*--quick"):
        verdict("nowhere", Study({"lfd": {}}, ("real",), 2), tmp_path, Conduct(silent))


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0])
def test_where_nothing_is_found_nothing_was_compared(scale):
    judged = judge("outputs/tiles", STUDY, simulated(1, scale=scale))
    said = {gain.verdict for gain in judged.gains if gain.value is not None}
    assert said == {"not learnt"} if scale < 1 else "not learnt" not in said
    assert ("not learnt" in str(judged)) == ("not learnt" in as_markdown(judged)) == (scale < 1)
    ElementTree.fromstring(as_plot(judged))


def test_a_training_set_that_learns_is_compared_with_one_that_does_not():
    learnt, none = simulated(1), simulated(1, scale=0.0)
    rows = [b if a["training_set"] == "real" else a for a, b in zip(learnt.results, none.results, strict=True)]
    judged = judge("outputs/tiles", STUDY, replace(learnt, results=rows))
    assert judged.gain("lfd", "ours_real").verdict == "helps"


def test_a_quick_look_claims_no_interval_anywhere(tmp_path):
    study = Study({"lfd": {}}, tuple(GAINS), 1)
    judged = judge("outputs/tiles", study, simulated(1, trainings=1), simulated(2, trainings=1))
    assert {gain.verdict for gain in judged.gains + judged.unseen} == {"quick look", "too few images"}
    write_pages(judged, tmp_path)
    label = "quick look, no interval: one training each"
    for text in (str(judged), *(file.read_text() for file in tmp_path.iterdir())):
        assert label in text
        assert not re.search(r"\[[+-]?\d", text)
        assert not re.search("no evidence|helps|hurts|95 %", text)
    stored = json.loads((tmp_path / "verdict.json").read_text())
    assert stored["quick"] == label
    assert all(one["interval"] is None for one in stored["gains"] + stored["unseen_types"])
    assert all(one["iou"] is None for one in stored["standings"])
    ElementTree.fromstring(as_plot(judged))


def test_a_quick_look_is_one_training_and_has_to_be_asked_for(tmp_path):
    for seeds, quick, message in ((1, False, "--quick is a quick look"), (3, True, "3 seeds for a quick look")):
        with pytest.raises(EvalError, match=message):
            verdict("nowhere", Study({"lfd": {}}, ("real",), seeds), tmp_path, Conduct(silent), quick)


def test_settings_are_for_all_segmenters_or_for_one():
    parsed = parse_settings(["lfd", "bisenetv2"], ["steps=40", "bisenetv2.width=0.5", "loss=ohem"])
    assert parsed == {"lfd": {"steps": 40, "loss": "ohem"}, "bisenetv2": {"steps": 40, "width": 0.5, "loss": "ohem"}}
    for wrong in ("steps", "=4", "upernet.size=base"):
        with pytest.raises(EvalError, match=f"--set {wrong}: wanted KEY=VALUE or NAME"):
            parse_settings(["lfd"], [wrong])


UNESCAPED = r"(?<!\\)"
HOSTILE = [
    "pit\n| all types | 99 | ours helps |",
    "<script>x</script>",
    "[a](http://b) ![c](d)",
    "a|b`c`*d*",
    "\x1b[31m\u202e&",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_defect_writes_a_line_of_the_verdict(name):
    measured = replace(simulated(1), defects=[name if kind == "pit" else kind for kind in TYPES], blank=[name])
    judged = judge("outputs/tiles", STUDY, measured)
    table, usual = as_markdown(judged), as_markdown(judge("outputs/tiles", STUDY, simulated(1)))
    assert table.replace("\n", "").isprintable()
    bars = [sorted(len(re.findall(UNESCAPED + r"\|", line)) for line in text.splitlines()) for text in (table, usual)]
    assert bars[0] == bars[1]
    head = table.partition("###")[0]
    assert not re.search(UNESCAPED + r"[<>`*#&\[]", head.replace("\\\\", ""))
    ElementTree.fromstring(as_plot(judged))
    assert json.loads(json.dumps(judged.to_json()))["test_images"][name] == 25


def test_a_segmenter_of_any_name_leaves_the_plot_valid():
    name = "lfd<&\x1b\ud800>"
    measured = simulated(1)
    for result in measured.results:
        result["segmenter"] = name
    drawn = as_plot(judge("tiles", Study({name: {}}, ("real", "ours_real"), 3), measured))
    assert r"lfd<&\x1b\ud800>: gain" in "".join(ElementTree.fromstring(drawn).itertext())


def test_a_defect_called_like_a_group_of_images_is_distinguished():
    kinds = {"pit": "all types", "stain": "size tiny"}
    judged = judge("tiles", STUDY, replace(simulated(1), defects=[kinds.get(kind, kind) for kind in TYPES]))
    groups = [gain.what for gain in judged.gains if (gain.training_set, gain.over) == ("ours_real", "real")]
    assert len(groups) == len(set(groups))
    assert {"defect all types", "defect size tiny", "all types", "size tiny"} <= set(groups)
    assert judged.gain("lfd", "ours_real").images == 55


def test_what_is_shared_of_a_verdict_names_no_place_of_the_machine(tmp_path):
    write_pages(judge(str(tmp_path / "runs" / "tiles"), STUDY, simulated(1)), tmp_path / "verdict")
    for file in (tmp_path / "verdict").iterdir():
        text = file.read_text()
        assert str(tmp_path.parent) not in text
        assert socket.gethostname() not in text.split()
    assert json.loads((tmp_path / "verdict" / "verdict.json").read_text())["run"] == "tiles"
