"""Bounds of what the affine model leaves out: never exceeded, nearly reached."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mechanisms import BOXES, DISTURBANCES, DISTURBED, load, states

from safebench.physics import rigid_body
from safebench.physics.compiled import compiled_step
from safebench.physics.dynamics import mjx_step
from safebench.sets.polytope import Box, symmetric_box


def residuals(name: str, box: Box, count: int, seed: int = 0):
    """Residuals of the compiled step against the inclusion's linear model, at corners and inside."""
    model, noise, swing = load(name), DISTURBED[name], DISTURBANCES[name]
    inclusion = rigid_body.include(model, noise, BOXES[name], swing)
    rng = np.random.default_rng(seed)
    where = rng.random((count, 2 * model.nq))
    x = rng.uniform(box.lower, box.upper, where.shape)
    x = np.where(where < 0.2, box.lower, np.where(where > 0.8, box.upper, x))
    x = np.where(np.abs(where - 0.5) < 0.1, 0.0, x)
    a = rng.choice([-1.0, 0.0, 1.0], (count, model.nu))
    w = rng.choice(swing.upper, (count, noise.shape[1])) * rng.choice([-1, 1], (count, noise.shape[1]))
    ends = jax.jit(jax.vmap(compiled_step(model, noise)))(x, a, w)
    return inclusion, (
        np.asarray(ends)
        - inclusion.origin
        - (x - inclusion.origin) @ inclusion.state.T
        - a @ inclusion.action.T
    )


@pytest.mark.parametrize("name", DISTURBED)
def test_no_residual_exceeds_the_bound_and_some_come_close(name):
    inclusion, found = residuals(name, BOXES[name], 100_000)
    n = found.shape[1]
    directions = np.vstack([np.eye(n), -np.eye(n), np.random.default_rng(1).normal(size=(40, n))])
    bound = inclusion.support(directions)
    largest = (found @ directions.T).max(axis=0)
    assert (largest <= bound).all()
    # Rows that see only rounding are left out; the others must be tight to 2 %.
    seen = bound > 1e-9
    assert (largest[seen] >= 0.98 * bound[seen] - 1e-6).all()


@pytest.mark.parametrize("name", DISTURBED)
def test_residuals_outside_the_box_exceed_the_bound(name):
    """Negative control: states 20 % beyond the box."""
    wider = Box(1.2 * BOXES[name].lower, 1.2 * BOXES[name].upper)
    inclusion, found = residuals(name, wider, 20_000)
    n = found.shape[1]
    directions = np.vstack([np.eye(n), -np.eye(n)])
    assert ((found @ directions.T).max(axis=0) > inclusion.support(directions)).any()


def test_bound_holds_for_the_mjx_step():
    model, noise = load("pendulum"), DISTURBED["pendulum"]
    inclusion = rigid_body.include(model, noise, BOXES["pendulum"], DISTURBANCES["pendulum"])
    rng = np.random.default_rng(0)
    x = rng.uniform(BOXES["pendulum"].lower, BOXES["pendulum"].upper, (2000, 2))
    a, w = rng.choice([-1.0, 1.0], (2000, 1)), rng.choice([-0.1, 0.1], (2000, 1))
    ends = np.asarray(jax.jit(jax.vmap(mjx_step(model, noise)))(x, a, w))
    found = ends - x @ inclusion.state.T - a @ inclusion.action.T
    directions = np.random.default_rng(1).normal(size=(20, 2))
    assert ((found @ directions.T).max(axis=0) <= inclusion.support(directions)).all()


def test_a_box_away_from_zero_keeps_its_constant_offset():
    """y = x - centre; the drift of a moving centre is part of the residual."""
    model = load("pendulum")
    box = Box(np.array([0.2, 1.0]), np.array([0.6, 3.0]))
    still = symmetric_box([0.0])
    inclusion = rigid_body.include(model, np.array([[1.0]]), box, still)
    np.testing.assert_allclose(inclusion.origin, [0.4, 2.0])
    x = np.random.default_rng(0).uniform(box.lower, box.upper, (20_000, 2))
    a = np.random.default_rng(1).choice([-1.0, 1.0], (20_000, 1))
    ends = jax.vmap(compiled_step(model, np.array([[1.0]])))(x, a, np.zeros((20_000, 1)))
    y = x - inclusion.origin
    found = np.asarray(ends) - inclusion.origin - y @ inclusion.state.T - a @ inclusion.action.T
    directions = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, -2.0]])
    bound, largest = inclusion.support(directions), (found @ directions.T).max(axis=0)
    assert (largest <= bound).all()
    np.testing.assert_allclose(largest, bound, atol=1e-3)


FLAG = '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>'


def coupled_chain(masses: int) -> mujoco.MjModel:
    bodies = "".join(
        f'<body name="b{k}"><inertial pos="0 0 0" mass="{1 + 0.1 * k}" diaginertia="1 1 1"/>'
        f'<joint name="j{k}" type="slide" axis="1 0 0" stiffness="{2 + k}" damping="0.3"/>'
        for k in range(masses)
    )
    return mujoco.MjModel.from_xml_string(
        f'<mujoco><option timestep="0.05">{FLAG}</option><worldbody>{bodies}{"</body>" * masses}'
        f'</worldbody><actuator><motor name="m" joint="j0" gear="3"/></actuator></mujoco>'
    )


def test_a_linear_system_has_no_remainder():
    model = coupled_chain(6)
    inclusion = rigid_body.include(model, np.eye(6, 1), symmetric_box(np.ones(12)), symmetric_box([0.0]))
    assert inclusion.support(np.vstack([np.eye(12), -np.eye(12)])).max() < 1e-11
    step = compiled_step(model, np.eye(6, 1))
    x, a = states(model, 1, size=1.0)
    np.testing.assert_allclose(
        step(jnp.asarray(x[0]), jnp.asarray(a[0]), jnp.zeros(1)),
        inclusion.state @ x[0] + inclusion.action @ a[0],
        atol=1e-12,
    )


def test_boxes_of_the_wrong_size_are_refused():
    model, noise = load("pendulum"), DISTURBED["pendulum"]
    with pytest.raises(ValueError, match="constraint box has 3"):
        rigid_body.include(model, noise, symmetric_box([1.0, 1.0, 1.0]), symmetric_box([0.1]))
    with pytest.raises(ValueError, match="disturbance box has 2"):
        rigid_body.include(model, noise, symmetric_box([1.0, 1.0]), symmetric_box([0.1, 0.1]))
