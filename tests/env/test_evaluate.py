"""Evaluation: arrivals, violated episodes and switches, on a body that moves by known steps."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import environment, probe

from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.environment import Env
from safebench.env.evaluate import SEED, evaluate
from safebench.runs.curves import goals

HORIZON, STARTS = 8, 16
SPEED = 0.5


def walker() -> Env:
    """x0 grows by the action, from quarters below 2.5; the goals are to pass 3, and to be at 100."""
    action = np.array([[1.0], [0.0], [0.0]])
    env = environment(probe(HORIZON, np.linspace(-3.0, 2.25, 22)[:, None], action=action, constant=1.0))
    task = dataclasses.replace(
        env.task,
        horizon=HORIZON,
        reached=lambda x, context: jnp.array([(x[0] >= 3.0) & (x[0] < 3.5), x[0] == 100.0]),
        excess=lambda x, context: jnp.array([x[0] - 4.5]),
        reference_start=(np.array([10.0, 0.0, 0.0]), ()),
    )
    return Env(task, env.safeguard)


def evaluated(env: Env, speed, horizon=None):
    """An evaluation in which x0 grows by `speed` a step, and where its episodes began."""
    began = jax.vmap(env.begin)(jax.random.split(jax.random.key(SEED), STARTS)).x[:, 0]
    return evaluate(env, lambda observation: jnp.full(1, speed), STARTS, horizon=horizon), began


@functools.cache
def program(make, horizon=None):
    """`evaluated` as a function of the speed, compiled once."""
    return jax.jit(functools.partial(evaluated, make(), horizon=horizon))


@pytest.mark.parametrize("horizon", [None, pytest.param(5, marks=pytest.mark.slow)])
def test_arrivals_and_violated_episodes_are_the_first_and_the_only_ones(horizon):
    found, x = program(walker, horizon)(SPEED)
    steps, first = horizon or HORIZON, np.ceil((3.0 - x) / SPEED).astype(int)
    assert (first > steps).any()
    assert (first == steps).any()  # the very last step counts, and its reset does not undo it
    assert (first < steps - 2).any()  # the goal is left again, which does not undo it either
    np.testing.assert_array_equal(found.arrivals[:, 0], np.where(first <= steps, first, 0))
    np.testing.assert_array_equal(found.arrivals[:, 1], 0)
    np.testing.assert_array_equal(found.violated, x + steps * SPEED > 4.5)
    assert horizon or 0 < np.mean(found.violated) < 1
    np.testing.assert_array_equal(found.returns, steps)
    assert found.safety.switches == 0


def test_the_papers_episode_is_no_evaluation_episode():
    """The other way, too: nothing is reached and nothing violated but by the paper's episode."""
    found, _ = program(walker)(-SPEED)
    assert found.arrivals.shape == (STARTS, 2)
    assert not found.arrivals.any()
    assert not found.violated.any()
    assert found.safety.violations == HORIZON  # 10 - 8 / 2 is beyond 4.5 still
    assert found.reference_return == HORIZON


def test_a_task_without_a_goal_has_no_arrivals():
    env = walker()
    plain = Env(dataclasses.replace(env.task, reached=None), env.safeguard)
    shapes, _ = jax.eval_shape(functools.partial(evaluated, plain), SPEED)
    assert shapes.arrivals.shape == (STARTS, 0)


@pytest.mark.parametrize("horizon", [0, HORIZON + 1])
def test_an_evaluation_ends_before_a_second_episode(horizon):
    with pytest.raises(ValueError, match=f"has 1 to {HORIZON} steps on 'probe', not {horizon}"):
        evaluate(walker(), lambda observation: observation[:1], STARTS, horizon=horizon)


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([[4], [0], [8], [0]], (0.5, 0.6)),  # of the two that arrived
        ([[4, 0], [0, 0], [8, 9], [3, 4]], (5 / 8, 0.1 * 28 / 5)),  # episodes x goals, all alike
        ([[0], [0]], (0.0, np.nan)),
        (np.zeros((3, 0), int), (np.nan, np.nan)),
    ],
)
def test_success_and_time_are_means_over_episodes_and_goals(arrivals, expected):
    np.testing.assert_allclose(goals(np.array(arrivals), 0.1), expected, rtol=1e-12)


def mover() -> Env:
    """A body whose corridor should be [k - 1, k + 1], k the whole number below x0; clear is k <= 2."""
    env = walker()
    certificate = dataclasses.replace(
        env.task.certificate, translations=np.eye(3)[:, :1], translation_limits=np.array([50.0])
    )

    def around(x):
        return Corridor(jnp.floor(x[:1]) - 1, jnp.floor(x[:1]) + 1)

    def begin(key):
        x = jnp.array([0.25, 0.0, 0.0]) * jax.random.randint(key, (), 0, 4)
        return Start(x, (), around(x))

    task = dataclasses.replace(
        env.task,
        certificate=certificate,
        safe_set=None,
        reference_start=None,
        corridors=Corridors(
            begin=begin,
            move=lambda x, context, corridor: around(x),
            clearance=lambda context, corridor: 3.0 - corridor.high[0],
        ),
        observe=lambda x, context, corridor: jnp.concatenate([x, corridor.low, corridor.high]),
    )
    return Env(task, env.safeguard)


def test_every_step_that_changes_the_corridor_is_a_switch():
    found, x = program(mover)(SPEED)
    assert len(np.unique(x)) > 2
    wanted = np.floor(x[:, None] + SPEED * np.arange(HORIZON + 1))
    assert wanted.max() > 2  # some are refused: keeping a corridor is no switch
    assert found.safety.switches == (np.diff(np.minimum(wanted, 2)) != 0).sum() > 0
    assert program(mover)(0.0)[0].safety.switches == 0


def test_what_violates_has_departed_even_where_the_corridor_holds_it():
    """The mover's set is as wide as the world; an obstacle in it is in no certified set."""
    found, _ = program(mover)(SPEED)
    assert found.safety.departures == found.safety.violations == found.violated.sum() > 0
    assert program(mover)(0.0)[0].safety.departures == 0
