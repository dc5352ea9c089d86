"""Every recipe that comes with flawsmith says in a line what it makes and needs."""

import json

import pytest
from typer.testing import CliRunner

from synth.cli.main import app
from synth.recipe import bundled_recipes
from synth.recipe.catalogue import catalogue


@pytest.mark.parametrize("name", bundled_recipes())
def test_a_bundled_recipe_says_what_it_makes_and_needs(name):
    found = next(one for one in catalogue().recipes if one.name == name)
    assert len(found.makes) > 20
    assert len(found.needs) > 10
    assert not found.makes.endswith((".", ";", "#"))


def test_the_command_lists_each_recipe_in_a_line_or_as_json():
    told = CliRunner().invoke(app, ["recipe", "list"]).stdout.splitlines()
    assert [line.split()[0] for line in told] == list(bundled_recipes())
    answer = json.loads(CliRunner().invoke(app, ["recipe", "list", "--json"]).stdout)
    assert [one["name"] for one in answer] == list(bundled_recipes())
