"""Draws of fair tuning: the same for everybody, different from each other, from the space that is said."""

import ast

import pytest

from safebench import registry
from safebench.runs import settings, tuning
from safebench.runs.prepare import tuned

SEARCHED = [name for name in registry.names("learner") if "lagrangian" not in name]


@pytest.mark.parametrize("name", SEARCHED)
def test_every_draw_is_of_the_space_and_accepted(name):
    plugin = registry.find("learner", name)
    space, drawn = tuning.space(plugin), tuning.drawn(name, "pendulum", tuning.TRIES)
    assert len(drawn) == tuning.TRIES == len({tuple(each.items()) for each in drawn})
    for combination in drawn:
        assert list(combination) == [f"learner.{setting}" for setting in space]
        values = {setting.removeprefix("learner."): text for setting, text in combination.items()}
        assert all(ast.literal_eval(text) in space[setting] for setting, text in values.items())
        config = settings.with_options(tuned(plugin, "pendulum"), values, "learner")
        assert {setting: repr(getattr(config, setting)) for setting in values} == values
    for setting, choices in space.items():  # every setting moves
        assert len({combination[f"learner.{setting}"] for combination in drawn}) > 1
        assert len(set(choices)) == len(choices) > 1


def test_draws_are_the_same_at_every_call_and_fewer_are_the_first():
    assert tuning.drawn("apg", "pendulum", 24) == tuning.drawn("apg", "pendulum", 24)
    assert tuning.drawn("apg", "pendulum", 5) == tuning.drawn("apg", "pendulum", 24)[:5]


def own(tmp_path, search):
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from safebench.learner import require_count\n"
        "@dataclass(frozen=True)\nclass Config:\n    window: int = 4\n    rate: float = 0.1\n"
        "    def __post_init__(self):\n        require_count('window', self.window, least=2)\n"
        f"SETTINGS = {{}}\n{search}\ndef make(env, config, interactions):\n    return None\n"
    )
    return str(path)


def test_what_a_config_refuses_is_drawn_again(tmp_path):
    path = own(tmp_path, "SEARCH = {'window': (1, 2, 3), 'rate': (0.1, 0.2)}")
    drawn = tuning.drawn(path, "pendulum", 4)
    assert {each["learner.window"] for each in drawn} == {"2", "3"}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("", "mine.py: defines no SEARCH: nothing to draw from for 'mine'"),
        ("SEARCH = {'window': (1, 2), 'rate': (0.1, 0.2)}", "SEARCH has fewer than 24 settings"),
        ("SEARCH = {'window': 3}", "SEARCH must map names of settings to tuples of their choices"),
        ("SEARCH = {'window': ()}", "SEARCH must map names of settings to tuples of their choices"),
    ],
)
def test_a_space_that_is_none_or_too_small_is_named(tmp_path, search, message):
    with pytest.raises(ValueError, match=message):
        tuning.drawn(own(tmp_path, search), "pendulum", 24)
