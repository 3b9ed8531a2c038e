"""A run beside the same run again: a line for every figure that is another."""

import dataclasses

import pytest
from synthetic_results import make, of_version_2

from safebench.runs import reproduce


def run_of(cell):
    return cell.runs[0]


def with_last(run, name, value):
    """The run with another last entry in a column of its curve, like success or training.switches."""
    *groups, field = name.split(".")
    owner = getattr(run.curve, groups[0]) if groups else run.curve
    changed = dataclasses.replace(owner, **{field: (*getattr(owner, field)[:-1], value)})
    curve = dataclasses.replace(run.curve, **{groups[0]: changed}) if groups else changed
    return dataclasses.replace(run, curve=curve)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("return_mean", -1.0, "return after 100000 interactions was"),
        ("success", 0.75, "success after 100000 interactions was 0.5, is 0.75 when run again"),
        ("time_to_goal", 7.5, "time to goal after 100000 interactions was 7.0, is 7.5"),
        ("time_to_goal", None, "time to goal after 100000 interactions was 7.0, is None"),
        ("violated", 0.125, "violated episodes after 100000 interactions was 0.0, is 0.125"),
        ("training.switches", 39_999, "switches in training after 100000 interactions was 40000, is 39999"),
        ("evaluation.switches", 7, "switches in evaluation after 100000 interactions was 6240, is 7"),
    ],
)
def test_every_figure_that_is_another_has_a_line(name, value, said):
    old = run_of(make(seeds=1, success=0.5))
    assert list(reproduce.differences(old, old)) == []
    (line,) = reproduce.differences(old, with_last(old, name, value))
    assert line.startswith(f"seed 0: {said}")


def test_what_an_older_file_does_not_say_is_not_compared():
    new = make(seeds=1, success=0.5)
    assert list(reproduce.differences(run_of(of_version_2(new)), run_of(new))) == []
    lines = list(reproduce.differences(run_of(new), run_of(of_version_2(new))))
    assert len(lines) == 5
    assert all("was recorded, is not when run again" in line for line in lines)
