"""Options of a task from the command line: typed by its `make`, recorded, and never standard."""

import dataclasses

import numpy as np
import pytest

from safebench import registry
from safebench.plugin import Plugin
from safebench.runs import settings, suites, task_options
from safebench.runs.cell import Cell
from safebench.runs.prepare import prepare

HEADER = "hour_of_year,load_kw,pv_kw,outdoor_temperature_c"


def cell(**changes):
    return Cell("custom", "energy-heating", "none", "shac", (0,), 1_000_000, **changes)


@pytest.fixture
def year(tmp_path):
    """A winter with an evening's load of 9 kW at every hour."""
    path = tmp_path / "year.csv"
    path.write_text("\n".join([HEADER, *(f"{hour},9.0,0.0,5.0" for hour in range(8760))]))
    return path


def test_the_option_decides_the_task(year):
    made = prepare(cell(task_changes=(("profiles", str(year)),)))
    assert made.task_record.options == {"profiles": str(year)}
    state, hour = made.task.reference_start
    observed = np.asarray(made.task.observe(np.asarray(state), hour))
    plain = np.asarray(prepare(cell()).task.observe(np.asarray(state), hour))
    assert not np.array_equal(observed, plain)
    assert made.task.reward(state, np.zeros(2), state, hour) < -0.2 * 9.0


def test_what_was_changed_is_recorded_and_not_standard(year):
    changed = suites.changed(
        cell(), None, None, "compiled", "float64", settings.parse([f"task.profiles={year}"])
    )
    assert changed.task_changes == (("profiles", str(year)),)
    assert "task.profiles" in suites.settings_of(changed).changed
    assert not suites.settings_of(changed).standard
    assert prepare(cell()).task_record.options is None


def plugin(make, **options):
    module = type("module", (), {"make": staticmethod(make)})
    return Plugin(kind="task", name="made", module=module, source=None, file="made.py", options=options)


def test_values_are_read_as_make_says():
    def make(physics, links: int = 2, path: str | None = None, scale: float = 1.0, other=True):
        """Not called."""

    given = task_options.given(plugin(make), {"links": "3", "path": "a.csv", "scale": "2", "other": "false"})
    assert given == {"links": 3, "path": "a.csv", "scale": 2.0, "other": False}
    assert task_options.given(plugin(make), {"path": "none"}) == {"path": None}
    assert task_options.given(plugin(make), {}) == {}
    assert task_options.defaults(plugin(make, links=7)).links == 7


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("energy-heating", {"profile": "x"}, r"task has no setting 'profile'\. Did you mean 'profiles'\?"),
        ("pendulum", {"length": "2"}, r"task has no setting 'length'\. It has: none"),
        ("arm2", {"links": "two"}, r"task\.links wants a whole number, not 'two'"),
        ("energy-heating", {"profiles": "nowhere.csv"}, r"nowhere\.csv: No such file"),
    ],
)
def test_what_is_no_option_is_named(task, changes, message):
    asked = Cell("custom", task, "none", "shac", (0,), 200_000, task_changes=tuple(changes.items()))
    with pytest.raises(ValueError, match=message):
        prepare(asked)


def test_every_registered_task_says_its_options():
    found = {
        name: dataclasses.asdict(task_options.defaults(registry.find("task", name)))
        for name in registry.names("task")
    }
    assert found["pendulum"] == {}
    assert found["energy-heating"] == {"profiles": None}
    assert (found["arm2"], found["arm7"]) == ({"links": 2}, {"links": 7})
