"""The swing-up: what its docstring says of the pole, and that a script swings it up on the rail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench import registry
from safebench.env.environment import guarded_step
from safebench.env.task import violation
from safebench.physics.expression import program, run
from safebench.physics.rigid_body import accelerations_of
from safebench.runs import presets
from safebench.sets.interval import Interval, cos, sin
from safebench.tasks import cartpole_swingup as module


@pytest.fixture(scope="module")
def task():
    return registry.make_task("cartpole-swingup", "compiled")


def test_the_rate_of_the_pole_stays_in_its_range_by_itself(task):
    """Intervals over every angle and command: at the ends of the range the pole is braked, and not so hard
    that one step carries it past the middle."""
    code = program(*accelerations_of(task.dynamics.model, task.dynamics.commanded))
    angle, command = Interval(np.array(-4.0), np.array(4.0)), Interval(np.array(-1.0), np.array(1.0))
    most = module.RANGES["thetadot"]
    anywhere = Interval(np.array(-2.0), np.array(2.0))

    def turned(low, high):
        rate = Interval(np.array(low), np.array(high))
        x = [anywhere, angle, anywhere, rate, command]
        return run(code, x, sin, cos)[1]

    assert turned(most, most).upper < 0
    assert turned(-most, -most).lower > 0
    step = task.dynamics.model.opt.timestep
    assert step * max(turned(0.0, most).upper, -turned(-most, 0.0).lower) < most
    # The control: without so much damping to brake it, at a smaller rate the pole may still gain.
    assert turned(0.5 * most, 0.5 * most).upper > 0


def pump(x):
    """Raise the pole with the cart pushing along, then hold it upright; of no rail it knows."""
    energy = 0.5 * module.INERTIA * x[3] ** 2 / module.WEIGHT + jnp.cos(x[1])
    along = jnp.sign(x[3] * jnp.cos(x[1]))
    angle = jnp.arctan2(jnp.sin(x[1]), jnp.cos(x[1]))
    hold = (40.0 * angle + 8.0 * x[3] + 1.5 * x[0] + 2.5 * x[2]) / 5.0
    near = (jnp.abs(angle) < 0.35) & (jnp.abs(x[3]) < 4.0)
    return jnp.where(near, hold, jnp.where(energy < 1.0, -along, 0.3 * along) - 0.1 * x[0])[None]


@pytest.mark.parametrize(("preset", "safe"), [("boundary-projection", True), ("none", False)])
def test_a_script_swings_the_pole_up_and_only_the_guarded_cart_stays_on_its_rail(task, preset, safe):
    _, safeguard, config = presets.resolve(preset)
    guard = safeguard.make(config)

    def episode(x):
        def step(x, _):
            after, _ = guarded_step(task, guard, x, pump(x), jnp.array([0.05]))
            return after, (task.reached(after, ())[0], violation(task, after, ())[0])

        return jax.lax.scan(step, x, length=task.horizon)[1]

    up, broken = jax.jit(jax.vmap(episode))(jnp.asarray(task.starts[:128]))
    if safe:
        assert up.any(axis=1).mean() >= 0.95
    assert bool(broken.any()) != safe


def test_episodes_begin_with_a_hanging_pole(task):
    away = np.abs(task.starts[:, [1, 3]] - [np.pi, 0.0])
    assert away.max() <= 0.1
    assert away.max(axis=0).min() > 0.09


def test_nothing_is_asked_of_the_pole_but_that_it_is_a_number(task):
    at = np.array([0.5, 1.0, 0.1, 2.0])
    for angle, rate in ((1e3, 0.0), (0.0, -1e3)):
        assert not violation(task, jnp.asarray([0.5, angle, 0.1, rate]), ())[0]
    for i, bad in ((0, 1.01), (2, -2.01), (1, np.nan), (3, np.nan)):
        x = at.copy()
        x[i] = bad
        assert violation(task, jnp.asarray(x), ())[0]
    assert float(violation(task, jnp.asarray([0.5, 99.0, 1.5, 99.0]), ())[1]) == -0.25


def test_the_reward_is_zero_upright_at_rest_and_raises_with_the_swing(task):
    def at(angle, rate=0.0):
        x = jnp.array([0.0, angle, 0.0, rate])
        return float(task.reward(x, jnp.zeros(1), x, ()))

    assert at(0.0) == 0.0
    assert at(np.pi) == pytest.approx(-2.0)
    assert at(np.pi, 3.0) > at(np.pi, 2.0) > at(np.pi)
    assert at(0.0, 3.0) < at(0.0)
    assert task.reached(jnp.array([0.0, 0.19 + 2 * np.pi, 0.0, 0.9]), ())[0]
    assert not task.reached(jnp.array([0.0, 0.21, 0.0, 0.0]), ())[0]
    assert not task.reached(jnp.array([0.0, 0.0, 0.0, 1.1]), ())[0]
