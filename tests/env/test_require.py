"""The checks of settings: what each lets through, and what it refuses."""

from typing import Literal

import pytest

from safebench.env import require

NAN, INF = float("nan"), float("inf")
CASES = {
    require.require_count: ([1, 1_000_000], [0, -4, 1.0, True, "1", None, NAN, 1_000_001]),
    require.require_positive: ([1, 1e-9, 0.5], [0, 0.0, -1.0, NAN, INF, True, "1", None, 10**400]),
    require.require_weight: ([0, 0.0, 0.5, 3], [-1.0, NAN, INF, True, "1", None, 10**400]),
    require.require_share: ([0, 1, 0.5], [-0.1, 1.1, NAN, INF, -INF, True, "1", None]),
    require.require_flag: ([True, False], [0, 1, "true", None]),
    require.require_betas: ([(0.0, 0.9), (0, 0.5)], [(0.9,), (0.9, 1.0), (-0.1, 0.5), (0.9, NAN), 0.9, None]),
    require.require_widths: ([(), (1,), (64, 64)], [(0,), (1.0,), (True,), (100_001,), [8], 8, "8", None]),
}


@pytest.mark.parametrize(
    ("check", "value"), [(check, value) for check, (good, _) in CASES.items() for value in good]
)
def test_good_values_pass(check, value):
    check("field", value)


@pytest.mark.parametrize(
    ("check", "value"), [(check, value) for check, (_, bad) in CASES.items() for value in bad]
)
def test_bad_values_are_refused_with_their_name(check, value):
    with pytest.raises(ValueError, match=r"^field must be .*, not ") as caught:
        check("field", value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


def test_a_number_that_python_does_not_write_is_refused_too():
    with pytest.raises(ValueError, match="field must be at most 5, not a number of thousands of digits"):
        require.require_count("field", 10**5000, most=5)


def test_bounds_and_choices_are_named():
    with pytest.raises(ValueError, match="field must be at least 3, not 2"):
        require.require_count("field", 2, least=3)
    with pytest.raises(ValueError, match="field must be at most 5, not 6"):
        require.require_count("field", 6, most=5)
    with pytest.raises(ValueError, match="field must be a number between -20 and 2, not 3"):
        require.require_within("field", 3, -20, 2)
    with pytest.raises(ValueError, match="field must be one of 'a', 'b', not 'c'"):
        require.require_choice("field", "c", Literal["a", "b"])
