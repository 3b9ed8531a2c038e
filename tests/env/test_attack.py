"""The attack finds what there is to find, and finds nothing against a certified safeguard."""

import functools

import corridor_task
import every_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.commands.attack import certified, plans
from safebench.env import adversary, attack, safe_set
from safebench.env import task as tasks
from safebench.runs import presets

QUICK = ("pendulum", "energy")
SOME = ("cartpole", "seeker", "corridor")
"""In CI; the recorded attacks (docs/records/attack*.json) are on every task."""


def marks(name):
    slow, weekly = pytest.mark.slow, pytest.mark.weekly
    return [] if name in QUICK else [slow] if name in SOME else [slow, weekly]


TASKS = [pytest.param(name, marks=marks(name)) for name in [*every_task.FILES, "corridor"]]


@pytest.fixture
def task_of(task_of):
    """The registered tasks, and the small one of these tests."""
    return lambda name, physics: corridor_task.make() if name == "corridor" else task_of(name, physics)


def guard_of(name):
    _, module, config = presets.resolve(name)
    return module.make(config)


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_found_against_a_certified_safeguard(name, task_of):
    record = attack.attack(task_of(name, "compiled"), "ray-mask", guard_of("ray-mask"), False, steps=1)
    assert record.as_expected, record
    assert record.steps == attack.ITERATIONS * attack.BATCH * attack.HORIZON
    assert record.first is None
    assert record.largest_excess <= 0
    assert record.largest_excess > -0.01, "the attack never came near the boundary"


@pytest.mark.parametrize("name", TASKS)
def test_the_same_attack_breaks_the_unguarded_system(name, task_of):
    record = attack.attack(task_of(name, "compiled"), "none", guard_of("none"), True, steps=1)
    assert record.as_expected
    assert record.first <= attack.CONTROL_STEPS
    assert record.outside > 0


@pytest.mark.parametrize("name", TASKS)
def test_the_same_attack_breaks_a_set_that_is_two_percent_too_large(name, task_of):
    wrong = attack.inflated(task_of(name, "compiled"))
    record = attack.attack(wrong, "inflated", guard_of("boundary-projection"), True, steps=1)
    assert record.as_expected
    assert record.first <= attack.CONTROL_STEPS


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_same_attack_finds_unclear_corridors_that_nothing_checks(name, task_of):
    """The safeguard is on: only the environment's question whether a corridor is clear is left out."""
    task = task_of(name, "compiled")
    if task.corridors is None:  # nothing to leave unchecked: the command plans no such control
        assert all(plan.checked for plan in plans(task, certified(), 1))
        return
    assert not all(plan.checked for plan in plans(task, certified(), 1))
    record = attack.attack(task, "unchecked", guard_of("ray-mask"), True, steps=1, checked=False)
    assert record.as_expected
    assert record.outside > 0
    assert record.infeasible == record.last_line == record.non_finite == 0


def test_half_of_the_starts_lie_on_the_boundary(task_of):
    task = task_of("pendulum", "compiled")
    points = np.asarray(attack.beginnings(task)(0).x)
    slack = (task.safe_set.offsets - points @ task.safe_set.normals.T) / task.safe_set.row_scale
    assert (slack >= 0).all()
    near = slack.min(axis=1) < 1e-10
    assert 0.4 < near.mean() <= 0.6


@functools.cache
def walked():
    """Where an attack on the small moving task begins; with each place a proposal, whether it covers the
    state and is clear, and what the environment takes where it is proposed, checking clearance and not."""
    task = corridor_task.make()

    @jax.jit
    @jax.vmap
    def at(start, key):
        x, context, corridor = start
        proposed, _ = adversary.proposal(key, task.safe_set, x, corridor)
        covered = safe_set.may_be(task.safe_set, proposed) & safe_set.contains(task.safe_set, x, proposed)
        clear = task.corridors.clearance(context, proposed)
        played = adversary.Played(context, proposed, jnp.array(True))
        taken = [
            tasks.moved(adversary.played(task, checked), x, played, corridor) for checked in (True, False)
        ]
        own = task.corridors.clearance(context, corridor)
        inside = safe_set.contains(task.safe_set, x, corridor)
        slack = safe_set.offsets_of(task.safe_set, corridor, x.dtype) - task.safe_set.normals @ x
        return (own, inside, slack / task.safe_set.row_scale), proposed, (covered, clear), taken

    start = attack.beginnings(task)(0)
    found = at(start, jax.random.split(jax.random.key(1), attack.BATCH))
    return jax.tree.map(np.asarray, (start, found))


@pytest.mark.slow
def test_an_attack_on_a_moving_set_begins_wherever_safety_is_promised():
    start, ((clearance, inside, slack), *_) = walked()
    assert inside.all()
    assert (clearance >= 0).all()
    near = slack.min(axis=1) < 1e-10
    assert 0.4 < near.mean() <= 0.6
    scenes = start.context.discs.centre[:, 1, 1]
    assert len(np.unique(scenes)) == len(scenes), "every start has a scene of its own"
    assert (np.ptp(start.x[:, :2], axis=0) > 0.5 * 2 * corridor_task.ARENA).all()


def test_of_an_attacks_corridors_those_are_taken_that_are_safe():
    start, (_, proposed, (covered, clear), (checked, unchecked)) = walked()

    def is_taken(corridor):
        return (corridor.low == proposed.low).all(axis=1) & (corridor.high == proposed.high).all(axis=1)

    safe = covered & (clear >= 0)
    np.testing.assert_array_equal(is_taken(checked), safe)
    assert 0.1 < safe.mean() < 0.9
    kept = jax.tree.map(lambda new, old: new[~safe] == old[~safe], checked, start.corridor)
    assert all(part.all() for part in kept)
    np.testing.assert_array_equal(is_taken(unchecked), covered)  # the control
    assert (covered & (clear < 0)).mean() > 0.05


def test_a_fixed_set_has_no_corridors_to_attack(task_of):
    with pytest.raises(ValueError, match="safe set of 'pendulum' does not move"):
        adversary.played(task_of("pendulum", "compiled"))
