"""Every field of every learner's and safeguard's config has a range, and says it."""

import dataclasses
import typing

import pytest

from safebench import registry
from safebench.learning import networks

NAN, INF = float("nan"), float("inf")
CONFIGS = {
    f"{kind} {name}": registry.load(kind, name).Config
    for kind in ("learner", "safeguard")
    for name in registry.names(kind)
}
FIELDS = [(name, field) for name, config in CONFIGS.items() for field in dataclasses.fields(config)]
TOO_BIG = 10**12
WRONG = {
    int: [-1, 2.5, True, "4", None, NAN, TOO_BIG],
    float: [-1e9, NAN, INF, -INF, True, "x", None, 10**400],
    bool: [0, 1, "true", None],
    tuple: [(-1, -1), (NAN, NAN), (True, True), ("x", "y"), [1, 1], 8, None, (0.5, 0.5, 0.5)],
    str: ["no such choice", 3, None],
    type(None): [-1, (-1, -1, -1), NAN, INF, True, "x", TOO_BIG],
}
"""Values that no field of the type can have."""


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_a_bad_value_of_any_field_is_refused_by_name(name, field):
    config = CONFIGS[name]
    for bad in WRONG[type(field.default)]:
        with pytest.raises(ValueError, match=rf"^{field.name} must be ") as caught:
            config(**{field.name: bad})
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


ZERO_MEANS_SOMETHING = (
    *("discount", "trace", "target_retention", "deviation", "entropy_weight", "regularisation"),
    *("policy_rate_end", "value_rate_end", "log_std_start", "starts"),
)


NUMBERS = [(name, field) for name, field in FIELDS if type(field.default) in (int, float)]


@pytest.mark.parametrize(("name", "field"), NUMBERS, ids=lambda each: getattr(each, "name", each))
def test_zero_is_refused_where_it_means_nothing(name, field):
    zero = type(field.default)(0)
    if field.name in ZERO_MEANS_SOMETHING:
        assert getattr(CONFIGS[name](**{field.name: zero}), field.name) == 0
    else:
        with pytest.raises(ValueError, match=field.name):
            CONFIGS[name](**{field.name: zero})


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("shac", {"value_batches": 129}, "at most environments x window = 4 x 32 = 128, not 129"),
        ("shac", {"value_batches": 9, "environments": 2, "window": 4}, "2 x 4 = 8, not 9"),
        ("ppo", {"batches": 5, "environments": 2, "window": 4}, "2 x 4 = 8 steps: at most 4, not 5"),
        ("sac", {"buffer": 100}, "buffer must be at least batch = 256, not 100"),
        ("sac", {"gradient_steps_per_interaction": 0.001}, "8 x 8 = 64 interactions, not 0.001"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(name, settings, line):
    with pytest.raises(ValueError, match=line):
        CONFIGS[f"learner {name}"](**settings)


def test_settings_at_their_limits_pass():
    shac, ppo, sac = (CONFIGS[f"learner {name}"] for name in ("shac", "ppo", "sac"))
    assert shac(value_batches=128).value_batches == 128
    assert ppo(batches=4, environments=2, window=4).batches == 4
    assert sac(buffer=256).buffer == 256
    assert shac(policy_hidden=(), value_hidden=()).policy_hidden == ()


def test_the_choices_of_an_activation_are_those_there_are():
    assert set(typing.get_args(networks.Activation)) == set(networks.ACTIVATIONS)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("shac", "environments x window = 4 x 32 = 128"),
        ("apg", "environments x window = 8 x 64 = 512"),
        ("ppo", "environments x window = 8 x 256 = 2048"),
        ("sac", "environments x steps = 8 x 8 = 64, starts = 1000"),
    ],
)
def test_a_budget_below_one_update_names_both_numbers_and_their_settings(name, named):
    module = registry.load("learner", name)
    with pytest.raises(ValueError, match=f"a budget of 10 interactions is less than one update.*{named}"):
        module.make(None, module.Config(), 10)
