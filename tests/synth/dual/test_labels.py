"""Labels cannot lie: of every type and every ordered pair of types, on scans and on clouds, something changed inside
every instance and nothing outside."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from synth.dual import TYPES, DefectSpec, DualSynthesizer
from synth.dual.presets import ORGANISED, UNORGANISED, create
from synth.errors import GeneratorError
from synth.sample import Cloud
from tests.synth.dual.scans import ball_cloud, egg_cloud, plate, slab_cloud
from tests.synth.dual.truth import lies

SEEDS = 2
DRAWN = 0.7
"""Least share of the pairs of a type that a sample has room for."""
NAMES = sorted(TYPES)
ONCE = {name for name in NAMES if TYPES[name].whole_part}


def coloured(sample, low=60, high=200, move=0.0):
    cloud = sample.cloud
    colors = np.random.default_rng(0).integers(low, high, (len(cloud.points), 3)).astype(np.uint8)
    return replace(sample, cloud=Cloud(cloud.points + np.float32(move), cloud.normals, colors))


@cache
def good(kind):
    """A scan with and one without noise; clouds that are round, uneven, flat with edges, and far from the origin."""
    return {
        "scan": (plate(121, 161), plate(121, 161, sigma=1e-4, tilt=0.2, seed=2)),
        "cloud": (
            coloured(ball_cloud(1500)),
            coloured(egg_cloud(1500)),
            coloured(slab_cloud(0.012, 0.06, 0.0018)),
            coloured(ball_cloud(1500), move=3),
        ),
    }[kind]


@cache
def synthesizers(kind):
    """One for what is drawn, so that samples are prepared once."""
    return DualSynthesizer([])


def drawer(kind, specs, **options):
    made = DualSynthesizer(specs, **options)
    made.share(synthesizers(kind))
    return made


def drawn(kind, specs, starts, seeds=1, **options):
    """(good, made) of every start and seed that has room, and the reasons of the others."""
    made, reasons = [], []
    for start, seed in product(starts, range(seeds)):
        try:
            made.append((start, drawer(kind, specs, **options).draw(start, seed)))
        except GeneratorError as refusal:
            reasons.append(str(refusal))
    return made, reasons


@pytest.mark.parametrize("kind", ["scan", "cloud"])
@pytest.mark.parametrize("name", NAMES)
def test_of_every_type_the_labels_are_true(kind, name):
    for visible in ("both", "rgb", "geo") if kind == "scan" else ("both",):
        made, reasons = drawn(kind, DefectSpec.of(name, visible=(visible,)), good(kind), SEEDS)
        for start, one in made:
            assert lies(start, one) == [], (start.id, one.provenance.seed, visible)
        if (name, visible) in {("stain", "geo"), ("wear", "geo"), ("scratch", "geo")}:
            assert all("its mask has" in reason for reason in reasons)  # too flat for the geometry to show it
        else:
            assert len(made) >= DRAWN * len(good(kind)) * SEEDS, reasons


@pytest.mark.parametrize("kind", ["scan", "cloud"])
@pytest.mark.parametrize("first", NAMES)
def test_of_every_two_types_the_labels_of_both_are_true(kind, first):
    count = 0
    for second in NAMES:
        # Another sample for each pair: all of them come up with every type.
        at = NAMES.index(first) + NAMES.index(second)
        starts = [good(kind)[at % len(good(kind))]]
        made, reasons = drawn(kind, [first, second], starts)
        for start, one in made:
            kinds = [instance.type for instance in one.provenance.instances]
            assert kinds == sorted([first, second], key=lambda name: kind == "cloud" and name not in ONCE)
            assert lies(start, one) == [], (second, start.id)
        for reason in reasons:
            assert "the last one because" in reason or "a cloud takes one of" in reason, reason
        count += len(made)
    assert count >= DRAWN * len(NAMES)


@pytest.mark.parametrize("kind", ["scan", "cloud"])
@pytest.mark.parametrize("name", NAMES)
def test_of_two_of_a_type_the_labels_of_both_are_true(kind, name):
    made, reasons = drawn(kind, DefectSpec.of(name, count=(2, 2)), good(kind))
    for start, one in made:
        assert len(one.provenance.instances) == 2
        assert lies(start, one) == [], start.id
    if kind == "cloud" and name in ONCE:
        assert all("a cloud takes one of chip, cut, bend" in reason for reason in reasons)
        assert not made
    else:
        assert made, reasons


@pytest.mark.parametrize("name", ORGANISED + UNORGANISED)
def test_of_every_published_scheme_the_labels_are_true(name):
    for start, seed in product(good("scan" if name in ORGANISED else "cloud"), range(SEEDS)):
        assert lies(start, create(name).draw(start, seed)) == [], (start.id, seed)


@pytest.mark.parametrize(
    "specs", [["dent", "bulge"], ["chip", "stain"], [DefectSpec.of("dent", count=(3, 3))]], ids=str
)
def test_a_partial_view_shows_every_instance_that_it_records(specs):
    for start in good("cloud")[:3]:
        made, _ = drawn("cloud", specs, [start], seeds=4, partial=True)
        assert made
        for _, one in made:
            assert lies(start, one, partial=True) == []


def test_a_stain_on_black_is_refused_as_nothing_would_change():
    with pytest.raises(GeneratorError, match=r"no stain in 20 attempts.*0 points"):
        DualSynthesizer("stain").draw(coloured(ball_cloud(1500), 0, 1), 0)
