"""The energy-heating task: its plant against the formulas written out, its winter, the paper's episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.runs.check import check_task
from safebench.tasks import energy_heating

HEADER = "hour_of_year,load_kw,pv_kw,outdoor_temperature_c"


@pytest.fixture
def year(tmp_path):
    """Write a CSV of the hours given, out of order; the load is a thousandth of the hour, summer is hot."""

    def write(hours, temperature=lambda hour: 30 if 3000 <= hour < 7000 else hour % 20 - 6):
        lines = [f"{hour},{hour / 1000},0.5,{temperature(hour)}" for hour in reversed(hours)]
        path = tmp_path / "year.csv"
        path.write_text("\n".join([HEADER, *lines]))
        return path

    return write


def test_the_step_is_the_formula(task_of):
    task = task_of("energy-heating")
    x, a, w = np.array([4.0, 20.5, 26.0]), np.array([-0.3, 0.4]), np.array([7.0])
    soc, t_in, t_ret = x
    c0, c1, c2 = (1.1 + 0.26) / (0.26 * 240), 1.1 / (0.26 * 240), 1.1 / 1.1625
    expected = [
        soc + 2 * a[0],
        t_in - c0 * t_in + c1 * t_ret + w[0] / 240,
        t_ret + c2 * t_in - c2 * t_ret + 3.01 / 1.1625 * (2.5 + 2.5 * a[1]),
    ]
    np.testing.assert_allclose(task.dynamics.step(*map(jnp.asarray, (x, a, w))), expected, rtol=1e-14)


def test_the_pump_cannot_cool():
    """At action -1 the return temperature only falls towards the room's."""
    x = jnp.array([5.0, 21.0, 21.0])
    after = energy_heating.household().step(x, jnp.array([0.0, -1.0]), jnp.array([15.0]))
    assert after[2] == pytest.approx(21.0, abs=1e-12)


def test_reward_and_prices(task_of):
    task = task_of("energy-heating")
    hours, values = energy_heating.winter()
    after = np.array([5.0, 21.5, 25.0])
    for clock, price in ((3, 0.2), (6, 0.4), (10, 0.4), (11, 0.2), (17, 0.5), (20, 0.5), (1464 + 8, 0.4)):
        assert hours[clock] % 24 == clock % 24
        load, sun, _ = values[clock]
        for a in (np.array([0.5, 0.2]), np.array([-1.0, -1.0])):
            power = 2 * a[0] + 2.5 + 2.5 * a[1] + load - sun
            expected = -(power * (price if power > 0 else 0.08) + 100 * 0.25)
            np.testing.assert_allclose(
                task.reward(after, jnp.asarray(a), after, jnp.asarray(clock)), expected
            )


def test_the_winter_is_november_to_march_inside_the_proof():
    hours, values = energy_heating.winter()
    assert len(hours) == len(values) == 24 * (30 + 31 + 31 + 28 + 31)
    assert hours[[0, -1]].tolist() == [24 * 304, 24 * 90 - 1]
    outdoors = values[:, 2]
    assert outdoors.min() == -10
    assert outdoors.max() == 15
    assert np.isin(outdoors, [-10, 15]).sum() == 34  # as the docstring says: clipped
    assert -1 < outdoors.mean() < 6


def test_an_episode_ends_before_the_season_does(task_of):
    task = task_of("energy-heating")
    keys = jax.random.split(jax.random.key(0), 4000)
    begun = jax.vmap(lambda key: task.begin(key, jnp.asarray(task.starts[0])))(keys)
    assert 0 <= begun.min() < 20
    assert 3624 - 720 - 20 < begun.max() <= 3624 - 720


def test_the_default_has_no_episode_of_the_paper(task_of):
    assert task_of("energy-heating").reference_start is None


@pytest.mark.parametrize("hours", [range(8760), range(8784), [*range(7800, 8784)]])
def test_a_year_with_the_papers_hours_has_its_episode(year, hours):
    task = energy_heating.make(profiles=year(hours))
    check_task(task, "energy-heating", values=True)
    x, clock = task.reference_start
    np.testing.assert_allclose(x, [5, 21, 25.37], atol=0.01)
    assert safe_set.contains(task.safe_set, jnp.asarray(x))
    assert task.advance(clock) == clock + 1
    clocks, expected = clock + jnp.arange(720), np.arange(7800, 8520)
    seen = jax.vmap(task.observe, (None, 0))(jnp.asarray(x), clocks)
    np.testing.assert_allclose(seen[:, 3], expected / 1000)
    outdoors = jax.vmap(lambda clock: task.disturb(jax.random.key(0), clock))(clocks)
    np.testing.assert_array_equal(outdoors[:, 0], expected % 20 - 6)


def test_a_year_without_them_has_none(year):
    task = energy_heating.make(profiles=year(range(1000)))
    assert task.reference_start is None


@pytest.mark.parametrize(
    ("hours", "temperature", "message"),
    [
        (range(3000, 7000), lambda hour: 5, "at least 720"),
        (range(7801, 8784), lambda hour: 5, "begin at midnight"),
        ([*range(7296, 7900), *range(7950, 8760)], lambda hour: 5, "no gap"),
        (range(8760), lambda hour: 15.1 if hour == 100 else 5, "outdoor temperatures"),
        (range(8760), lambda hour: "warm" if hour == 100 else 5, "warm"),
        (range(8760), lambda hour: "nan" if hour == 100 else 5, "finite numbers"),
    ],
)
def test_what_is_wrong_with_a_year_is_said(year, hours, temperature, message):
    with pytest.raises(ValueError, match=message):
        energy_heating.make(profiles=year(hours, temperature))


def test_hours_are_whole(tmp_path):
    path = tmp_path / "year.csv"
    path.write_text("\n".join([HEADER, *(f"{hour + 0.5},1,0,5" for hour in range(800))]))
    with pytest.raises(ValueError, match="whole number"):
        energy_heating.make(profiles=path)
