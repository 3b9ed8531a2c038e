"""The energy task: its household against the formulas written out, its profiles, prices and context."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.household.profiles import COLUMNS
from safebench.tasks import energy


def test_the_step_is_the_formula(task_of):
    task = task_of("energy")
    x, a, w = np.array([4.0, 20.5, 26.0]), np.array([-0.3, 0.4]), np.array([7.0])
    soc, t_in, t_ret = x
    c0, c1, c2 = (1.1 + 0.26) / (0.26 * 240), 1.1 / (0.26 * 240), 1.1 / 1.1625
    expected = [
        soc + 2 * a[0],
        t_in - c0 * t_in + c1 * t_ret + w[0] / 240,
        t_ret + c2 * t_in - c2 * t_ret + 3.01 / 1.1625 * 5 * a[1],
    ]
    np.testing.assert_allclose(task.dynamics.step(*map(jnp.asarray, (x, a, w))), expected, rtol=1e-14)
    model = task.dynamics.linearise(jnp.asarray(x))
    np.testing.assert_allclose(model.drift + model.control @ a + model.noise @ w, expected, rtol=1e-14)


def test_heating_alone_admits_no_safe_set():
    """Why the heat pump cools: stored heat t_in + (c1 / c2) t_ret rises whatever heating does at 40 deg C."""
    dynamics = energy.household()
    c1, c2 = 1.1 / (0.26 * 240), 1.1 / 1.1625
    stored = np.array([0.0, 1.0, c1 / c2])
    rng = np.random.default_rng(0)
    for x in rng.uniform(energy.CONSTRAINTS.lower, energy.CONSTRAINTS.upper, (100, 3)):
        heating = jnp.array([0.0, rng.uniform(0, 1)])
        rise = stored @ (np.asarray(dynamics.step(jnp.asarray(x), heating, jnp.array([40.0]))) - x)
        assert rise >= (40 - 24) / 240 - 1e-12


def test_reward_and_prices(task_of):
    task = task_of("energy")
    year = energy.synthetic_year()
    after = np.array([5.0, 21.5, 25.0])
    for clock, price in (
        (3, 0.2),
        (6, 0.4),
        (10, 0.4),
        (11, 0.2),
        (17, 0.5),
        (20, 0.5),
        (21, 0.2),
        (24 + 8, 0.4),
    ):
        load, sun, _ = year[clock]
        for a in (np.array([0.5, 0.2]), np.array([0.5, -0.2]), np.array([-1.0, 0.0])):
            power = 2 * a[0] + abs(5 * a[1]) + load - sun
            expected = -(power * (price if power > 0 else 0.08) + 100 * 0.25)
            np.testing.assert_allclose(
                task.reward(after, jnp.asarray(a), after, jnp.asarray(clock)), expected
            )


def test_clock_drives_disturbance_and_forecast(task_of):
    task, year = task_of("energy"), energy.synthetic_year()
    clock = jnp.asarray(len(year) - 2)
    key = jax.random.key(0)
    assert task.disturb(key, clock) == year[-2, 2]
    assert task.disturb(key, task.advance(task.advance(clock))) == year[0, 2]
    x = jnp.asarray(task.starts[0])
    observation = task.observe(x, clock)
    assert observation.shape == (23,)
    np.testing.assert_allclose(observation[3:8], np.concatenate([year[-2:, 0], year[:3, 0]]))
    np.testing.assert_allclose(observation[13:18], np.concatenate([year[-2:, 2], year[:3, 2]]) / 10)
    assert (np.abs(observation[:3]) <= 1).all()


def test_the_year_is_plausible_and_inside_the_proof():
    year = energy.synthetic_year()
    np.testing.assert_array_equal(year, energy.synthetic_year())
    assert year.shape == (8760, 3)
    load, sun, outdoors = year.T
    assert (outdoors >= -10).all()
    assert (outdoors <= 40).all()
    assert outdoors[:744].mean() < 4 < 15 < outdoors[4344:5088].mean()  # January, July
    assert sun[np.arange(8760) % 24 == 0].max() == 0  # no sun at midnight
    assert 1 < sun.max() <= 4
    assert (load > 0).all()


def test_profiles_from_a_file(tmp_path, task_of):
    path = tmp_path / "year.csv"
    header = ",".join(COLUMNS)
    lines = [f"{hour},{0.1 * (hour % 7)},0.5,{hour % 30 - 5}" for hour in reversed(range(800))]
    path.write_text("\n".join([header, *lines]))
    profiles = energy.read_profiles(path)
    assert profiles.shape == (800, 3)
    assert profiles[8, 0] == pytest.approx(0.1)
    task = energy.make(profiles=path)
    assert task.disturb(jax.random.key(0), jnp.asarray(9))[0] == 4
    for broken, message in (
        (header.replace("pv_kw", "pv"), "lacks the columns"),
        ("\n".join([header, *lines[:50]]), "at least 720"),
        ("\n".join([header, *lines, "800,0,0,41"]), "outdoor temperatures"),
    ):
        path.write_text(broken)
        with pytest.raises(ValueError, match=message):
            energy.read_profiles(path)
