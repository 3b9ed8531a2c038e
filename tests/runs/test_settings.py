"""Settings: read from text, with their types, and refused in one line that says what is wanted."""

import dataclasses
import enum
from typing import Any, Literal

import numpy as np
import pytest

from safebench.baselines import ppo, shac
from safebench.runs import settings, suites

Colour = enum.Enum("Colour", ["RED", "BLUE"])


@dataclasses.dataclass(frozen=True)
class Config:
    """Of every kind of type that an author may write."""

    count: int = 3
    rate: float = 0.5
    flag: bool = True
    text: str = "a"
    mode: Literal["slow", "fast"] = "slow"
    level: Literal[1, 2] = 1
    limit: int | None = None
    widths: tuple[int, ...] = ()
    pair: tuple[float, float] = (0.5, 0.5)
    colour: Colour = Colour.RED
    strange: Any = 1.5
    later: "Undefined" = 4  # noqa: F821

    def __post_init__(self):
        if self.count == 13:
            raise ValueError("count must not be 13")
        if self.count == 14:
            raise ValueError("unlucky")
        if self.count == 15:
            raise KeyError("fifteen")


@dataclasses.dataclass(frozen=True)
class Sound:
    """The same fields where every annotation can be resolved."""

    count: int = 3
    rate: float = 0.5
    flag: bool = True
    text: str = "a"
    mode: Literal["slow", "fast"] = "slow"
    level: Literal[1, 2] = 1
    limit: int | None = None
    widths: tuple[int, ...] = ()
    pair: tuple[float, float] = (0.5, 0.5)
    colour: Colour = Colour.RED
    strange: Any = 1.5


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", " 7 ", 7),
        ("rate", "1", 1.0),
        ("rate", "1e-3", 0.001),
        ("flag", "FALSE", False),
        ("text", "3", "3"),
        ("text", "[/a]", "[/a]"),
        ("mode", "fast", "fast"),
        ("mode", "'fast'", "fast"),
        ("level", "2", 2),
        ("limit", "none", None),
        ("limit", "4", 4),
        ("widths", "[8, 8]", (8, 8)),
        ("widths", "8", (8,)),
        ("widths", "()", ()),
        ("pair", "(0, 1)", (0.0, 1.0)),
        ("colour", "BLUE", Colour.BLUE),
        ("strange", "2.5", 2.5),
        ("rate", np.float32(0.25), 0.25),
        ("count", np.int64(2), 2),
    ],
)
def test_settings_are_read_as_their_types_say(name, text, value):
    changed = settings.with_options(Sound(), {name: text}, "learner")
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("count", "abc", "a whole number, not 'abc'"),
        ("count", "2.5", "a whole number, not 2.5"),
        ("count", "1e3", "a whole number, not 1000.0"),
        ("count", "true", "a whole number, not 'true'"),
        ("count", "True", "a whole number, not True"),
        ("count", "", "a whole number, not ''"),
        ("count", "[" * 900, "a whole number, not '[[["),
        ("count", "-" * 990 + "1", "a whole number, not '---"),
        ("count", "9" * 5000, "a whole number, not '999"),
        ("count", "\0", "a whole number"),
        ("count", "1\n2", "a whole number"),
        ("rate", "x", "a number, not 'x'"),
        ("rate", "nan", "a number, not 'nan'"),
        ("rate", "1e999", "a finite number, not inf"),
        ("rate", float("nan"), "a finite number, not nan"),
        ("rate", "9" * 400, "a finite number, not 999"),
        ("rate", "True", "a number, not True"),
        ("flag", "1", "true or false, not 1"),
        ("flag", "yes", "true or false, not 'yes'"),
        ("mode", "medium", "one of 'slow', 'fast', not 'medium'"),
        ("level", "3", "one of 1, 2, not 3"),
        ("level", "True", "one of 1, 2, not True"),
        ("limit", "x", "a whole number or none, not 'x'"),
        ("widths", "(8, 'x')", r"whole numbers in brackets like (64, 64), not (8, 'x')"),
        ("widths", "(8, True)", "whole numbers in brackets"),
        ("pair", "0.5", "2 numbers in brackets like (0.5, 0.5), not 0.5"),
        ("pair", "(0.5, 1e999)", "2 numbers in brackets"),
        ("colour", "GREEN", "one of RED, BLUE, not 'GREEN'"),
        ("strange", "x", "a value like 1.5, not 'x'"),
    ],
)
def test_what_is_no_value_of_the_type_is_refused_in_one_short_line(name, text, wanted):
    with pytest.raises(ValueError) as caught:
        settings.with_options(Sound(), {name: text}, "learner")
    line = str(caught.value)
    assert line.startswith(f"learner.{name} wants {wanted}")
    assert "\n" not in line
    assert len(line) < 160


def test_a_number_that_python_does_not_write_is_refused_too():
    with pytest.raises(ValueError, match="a finite number, not a number of thousands of digits"):
        settings.with_options(Sound(), {"rate": 10**5000}, "learner")


def test_a_config_whose_annotations_cannot_be_resolved_is_read_by_its_values():
    changed = settings.with_options(Config(), {"count": "5", "rate": "1", "later": "6"}, "learner")
    assert (changed.count, changed.rate, changed.later) == (5, 1.0, 6)
    with pytest.raises(ValueError, match=r"learner\.count wants a whole number"):
        settings.with_options(Config(), {"count": "x"}, "learner")


def test_what_a_config_refuses_is_said_with_the_owner():
    for count, line in (
        (13, r"^safeguard\.count must not be 13$"),
        (14, "^safeguard: unlucky$"),
        (15, r"test_settings\.py: Config\(\): .*KeyError.*fifteen"),
    ):
        with pytest.raises(ValueError, match=line):
            settings.with_options(Config(), {"count": count}, "safeguard")
    with pytest.raises(ValueError, match="must be a dataclass, not a dict"):
        settings.with_options({}, {"count": 1}, "safeguard")


def test_an_unknown_setting_is_named_with_the_nearest_and_all():
    with pytest.raises(
        ValueError, match=r"no setting 'windo'\. Did you mean 'window'\? It has: environments,"
    ):
        settings.with_options(shac.Config(), {"windo": "4"}, "learner")


@pytest.mark.parametrize(
    ("name", "value"),
    [("window", "-4"), ("discount", "1.01"), ("policy_rate", "0"), ("value_hidden", "(0,)")],
)
def test_a_value_out_of_range_is_named_with_its_owner(name, value):
    with pytest.raises(ValueError, match=rf"^learner\.{name} must be "):
        settings.with_options(shac.Config(), {name: value}, "learner")


def test_settings_keep_their_types():
    changed = settings.with_options(shac.Config(), {"discount": "1", "value_hidden": "[8, 8]"}, "learner")
    assert changed.discount == 1.0
    assert changed.value_hidden == (8, 8)
    with pytest.raises(ValueError, match="one of 'elu', 'relu', 'tanh', not 'gelu'"):
        settings.with_options(ppo.Config(), {"activation": "gelu"}, "learner")


@pytest.mark.parametrize(
    ("assignments", "line"),
    [
        (["learner.window"], "--set wants .*, not 'learner.window'$"),
        (["learnr.window=4"], "not 'learnr.window=4'. Did you mean 'learner'"),
        (["window=4"], "--set wants"),
        (["=4"], "--set wants"),
        ([""], "--set wants"),
        (["[/a]=4"], r"not '\[/a\]=4'"),
        (["x" * 10_000], "not 'xxx"),
        (["learner.window=4", "learner.window=8"], r"gives learner\.window two values, '4' and '8'"),
    ],
)
def test_what_is_no_assignment_is_refused_in_one_short_line(assignments, line):
    with pytest.raises(ValueError, match=line) as caught:
        settings.parse(assignments)
    assert len(str(caught.value)) < 240


def test_one_value_said_twice_is_said_once():
    twice = ["learner.window=4", "learner.window = 4", "evaluation.points=3"]
    assert settings.parse(twice) == {"learner": {"window": "4"}, "evaluation": {"points": "3"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [("points", "0"), ("points", "100001"), ("starts", "0"), ("starts", "9999999"), ("horizon", "-1")],
)
def test_an_evaluation_has_bounds(name, value):
    (cell,) = suites.product(["pendulum"], ["none"], ["shac"])
    with pytest.raises(ValueError, match=rf"^evaluation\.{name} must be at (least|most) \d+, not {value}$"):
        suites.changed(cell, None, None, "compiled", "float64", {"evaluation": {name: value}})
