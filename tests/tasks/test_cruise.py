"""The cruise task: its step against a car integrated finely, the true drag, the leader, the traffic."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from safebench.env import safe_set
from safebench.runs import presets
from safebench.tasks import cruise

MASS, STRONGEST = 1650.0, 0.3 * 9.81 * 1650.0


def drag(v):
    """Ames et al., N."""
    return 0.1 + 5 * v + 0.25 * v**2


def driven(s, v, lead, force, w, pieces):
    """A car with the true drag behind a leader, 0.2 s on: the state and the mean of its drag over its mass.

    The leader's speed changes at a constant rate within the step.
    """
    gap, dt, lost, rate = s + 1.8 * v, 0.2 / pieces, 0.0, (w - lead) / 10
    for _ in range(pieces):
        loss = drag(v) / MASS
        gain = force / MASS - loss
        gap += dt * (lead - v) + dt**2 / 2 * (rate - gain)
        v, lead, lost = v + dt * gain, lead + dt * rate, lost + loss / pieces
    return np.array([gap - 1.8 * v, v, lead]), lost


def assumed(v):
    """The drag over the mass that the plant has at speed v: its chord to 32 m/s less 32 N."""
    return (drag(0) + (drag(32) - drag(0)) * v / 32 - 32) / MASS


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 120), st.floats(1, 31), st.floats(0, 30), st.floats(-1, 1), st.floats(2, 28))
def test_the_step_is_a_car_whose_drag_differs_from_what_is_assumed_by_a_push(s, v, lead, a, w):
    x = jnp.array([s, v, lead])
    expected, lost = driven(s, v, lead, a * STRONGEST, w, pieces=200)
    push = assumed(v) - lost
    stepped = cruise.car().step(x, jnp.array([a]), jnp.array([push, w]))
    np.testing.assert_allclose(stepped, expected, rtol=0, atol=1e-4)
    assert abs(push) <= cruise.DISTURBANCE.upper[0]


def test_the_drag_leaves_room_for_wind():
    v = np.linspace(0, 32, 10001)
    apart = np.abs(assumed(v) - drag(v) / MASS).max()
    assert 0.019 < apart < 0.0195 < cruise.DISTURBANCE.upper[0]
    rest, rate = cruise.chord()
    np.testing.assert_allclose(rest + rate * v, assumed(v), atol=1e-15)


def test_the_leader_keeps_its_limits_by_itself():
    dynamics = cruise.car()
    for lead, w in ((0.0, 2.0), (30.0, 28.0), (0.0, 28.0), (30.0, 2.0)):
        after = dynamics.step(jnp.array([60.0, 15.0, lead]), jnp.zeros(1), jnp.array([0.0, w]))[2]
        assert 0 <= after <= 30
        assert lead - after <= 0.2 * 0.286 * 9.81
    after = dynamics.step(jnp.array([60.0, 15.0, 30.0]), jnp.zeros(1), jnp.array([0.0, 31.0]))[2]
    assert after > 30  # the control


def test_a_car_with_the_true_drag_never_comes_too_near(task_of):
    """The worst leader there is: it speeds up and brakes as hard as it can; the action wants full speed."""
    task = task_of("cruise")
    _, module, config = presets.resolve("ray-mask")
    safeguard = module.make(config)

    @jax.jit
    def guarded(x):
        affine = task.dynamics.linearise(x)
        actions = safe_set.allowed(task.safe_set, affine, x, task.disturbance)
        return safeguard(jnp.ones(1), actions).action

    x = np.asarray(task.certificate.origin)
    nearest = [np.inf, np.inf]
    for step in range(300):
        w = 2.0 if step // 60 % 2 else 28.0
        x, _ = driven(*x, float(guarded(jnp.asarray(x))[0]) * STRONGEST, w, pieces=20)
        assert (x >= task.constraints.lower).all()
        assert (x <= task.constraints.upper).all()
        nearest[0] = min(nearest[0], x[0])
    assert nearest[0] < 5  # the safeguard had work to do
    x = np.asarray(task.certificate.origin)
    for step in range(300):  # the control: no safeguard
        x, _ = driven(*x, STRONGEST, 2.0 if step // 60 % 2 else 28.0, pieces=20)
        nearest[1] = min(nearest[1], x[0])
    assert nearest[1] < 0


def test_traffic_changes_every_ten_seconds(task_of):
    task = task_of("cruise")
    leader = task.begin(jax.random.key(3), jnp.asarray(task.starts[0]))
    targets = []
    for _ in range(task.horizon):
        push, w = task.disturb(jax.random.key(0), leader)
        assert abs(push) <= 0.03
        targets.append(float(w))
        leader = task.advance(leader)
    changes = np.flatnonzero(np.diff(targets)) + 1
    assert changes.tolist() == [50, 100, 150, 200, 250]
    assert 2 <= min(targets) < max(targets) <= 28


def test_observation_and_reward(task_of):
    task = task_of("cruise")
    leader = task.begin(jax.random.key(0), jnp.asarray(task.starts[0]))
    seen = task.observe(jnp.array([90.0, 24.0, 15.0]), leader)
    np.testing.assert_allclose(seen, [0.5, 0.5, 0.0, -0.9, -0.2])
    after = jnp.array([90.0, 17.0, 15.0])
    np.testing.assert_allclose(task.reward(after, jnp.array([0.5]), after, leader), -(0.25 + 0.025))
