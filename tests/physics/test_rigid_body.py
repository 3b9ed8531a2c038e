"""Compiled dynamics against MuJoCo, MJX and closed forms; the remainder bound against true residuals."""

import math
from importlib import resources

import jax
import jax.numpy as jnp
import mpmath
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from safebench.physics import rigid_body
from safebench.physics.affine import linearise_by_differences
from safebench.physics.compiled import LONG, compiled_linearise, compiled_step
from safebench.physics.dynamics import mechanical, mjx_step
from safebench.physics.expression import gradients, program, run
from safebench.physics.remainder import SIMULATION_ERROR
from safebench.sets import interval
from safebench.sets.interval import Interval
from safebench.sets.polytope import Box, symmetric_box

DISTURBED = {
    "pendulum": np.array([[1.0]]),
    "cartpole": np.array([[0.0], [1.0]]),
    "quadrotor": np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
}
BOXES = {
    "pendulum": symmetric_box([2.5, 8.0]),
    "cartpole": symmetric_box([2.4, 0.4, 4.0, 3.0]),
    "quadrotor": symmetric_box([8.0, 8.0, math.pi / 12, 0.8, 1.0, math.pi / 2]),
}
DISTURBANCES = {name: symmetric_box(np.full(noise.shape[1], 0.1)) for name, noise in DISTURBED.items()}


def load(name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(resources.files("safebench.tasks") / "assets" / f"{name}.xml"))


def tree(seed: int, joints: int) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(random_tree(seed, joints))


def compiled(model: mujoco.MjModel):
    """The accelerations as a function of floats."""
    code = program(*rigid_body.accelerations_of(model))
    return lambda *z: np.array(run(code, [float(x) for part in z for x in part], math.sin, math.cos))


def states(model: mujoco.MjModel, count: int, size: float = 2.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-size, size, (count, 2 * model.nq)), rng.uniform(-1, 1, (count, model.nu))


# ---------------------------------------------------------------- accelerations


@given(st.integers(0, 10**6), st.integers(1, 7))
@settings(max_examples=120, deadline=None)
def test_random_trees_move_as_in_mujoco(seed, joints):
    model = tree(seed, joints)
    data = mujoco.MjData(model)
    acceleration = compiled(model)
    for x, a in zip(*states(model, 3, seed=seed), strict=True):
        data.qpos, data.qvel, data.ctrl = x[:joints], x[joints:], a
        mujoco.mj_step(model, data)
        v = x[joints:] + model.opt.timestep * acceleration(x, a)
        ours = np.concatenate([x[:joints] + model.opt.timestep * v, v])
        theirs = np.concatenate([data.qpos, data.qvel])
        assert np.abs(ours - theirs).max() <= 1e-12 * (1 + np.abs(theirs).max())


@pytest.mark.parametrize(("seed", "joints"), [(3, 2), pytest.param(12, 7, marks=pytest.mark.slow)])
def test_random_trees_step_as_in_mjx(seed, joints):
    model = tree(seed, joints)
    noise = np.random.default_rng(seed).normal(size=(joints, 2))
    x, a = states(model, 64)
    w = np.random.default_rng(1).uniform(-1, 1, (64, 2))
    ours = jax.jit(jax.vmap(compiled_step(model, noise)))(x, a, w)
    theirs = jax.jit(jax.vmap(mjx_step(model, noise)))(x, a, w)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", DISTURBED)
def test_tasks_step_as_in_mjx_over_their_box(name):
    model, noise = load(name), DISTURBED[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(BOXES[name].lower, BOXES[name].upper, (2000, 2 * model.nq))
    a = rng.uniform(-1, 1, (2000, model.nu))
    w = rng.uniform(-0.1, 0.1, (2000, noise.shape[1]))
    ours = jax.jit(jax.vmap(compiled_step(model, noise)))(x, a, w)
    theirs = jax.jit(jax.vmap(mjx_step(model, noise)))(x, a, w)
    # The margin that proofs grant the simulation is SIMULATION_ERROR (1 + largest coordinate).
    assert np.abs(ours - theirs).max() <= 0.1 * SIMULATION_ERROR


def test_a_wrong_mass_is_noticed():
    """Negative control of the comparisons above: one part in 10^9 on one mass."""
    model = tree(3, 2)
    right = compiled(model)
    model.body_mass[1] *= 1 + 1e-9
    (x,), (a,) = states(model, 1)
    assert np.abs(right(x, a) - compiled(model)(x, a)).max() > 1e-12


def test_pendulum_closed_form():
    acceleration = compiled(load("pendulum"))
    for x, a in zip(*states(load("pendulum"), 20), strict=True):
        expected = 3.0 * (30.0 * a[0] + 0.5 * 9.81 * math.sin(x[0]))
        assert abs(acceleration(x, a)[0] - expected) <= 1e-12 * (1 + abs(expected))


def test_cartpole_closed_form():
    """Barto, Sutton and Anderson (1983) without friction; half-length 0.5, masses 1 and 0.1."""
    acceleration = compiled(load("cartpole"))
    for (_, theta, _, rate), (a,) in zip(*states(load("cartpole"), 20), strict=True):
        s, c = math.sin(theta), math.cos(theta)
        push = (10.0 * a + 0.1 * 0.5 * rate**2 * s) / 1.1
        pole = (9.8 * s - c * push) / (0.5 * (4.0 / 3.0 - 0.1 * c**2 / 1.1))
        cart = push - 0.1 * 0.5 * pole * c / 1.1
        np.testing.assert_allclose(
            acceleration((0.3, theta, 0.2, rate), (a,)), [cart, pole], rtol=1e-12, atol=1e-12
        )


def test_quadrotor_closed_form():
    acceleration = compiled(load("quadrotor"))
    for x, a in zip(*states(load("quadrotor"), 20), strict=True):
        r, rate = x[2], x[5]
        thrust, command = 9.81 + 6.0 / 7.0 * a[0], math.pi / 12.0 * a[1]
        expected = [
            thrust * math.sin(r),
            thrust * math.cos(r) - 9.81,
            55.0 * command - 70.0 * r - 17.0 * rate,
        ]
        np.testing.assert_allclose(acceleration(x, a), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "most"), [("pendulum", 8), ("cartpole", 24), ("quadrotor", 14)])
def test_code_is_as_short_as_written_by_hand(name, most):
    assert len(program(*rigid_body.accelerations_of(load(name))).operations) <= most


# ---------------------------------------------------------------- one code, many number types


@pytest.mark.parametrize(("seed", "joints"), [(0, 1), (5, 3), (9, 5)])
def test_jacobian_expressions_are_derivatives(seed, joints):
    graph, outputs = rigid_body.accelerations_of(tree(seed, joints))
    entries = [entry for row in gradients(outputs, graph.inputs) for entry in row]
    value, slope = program(graph, outputs), program(graph, entries)
    z = [mpmath.mpf(x) for x in np.random.default_rng(seed).uniform(-1, 1, len(graph.inputs))]
    with mpmath.workdps(40):
        jacobian = np.array(run(slope, z, mpmath.sin, mpmath.cos)).reshape(joints, -1)
        for j in range(len(z)):
            ahead, behind = list(z), list(z)
            ahead[j], behind[j] = z[j] + mpmath.mpf(10) ** -15, z[j] - mpmath.mpf(10) ** -15
            ends = [run(value, y, mpmath.sin, mpmath.cos) for y in (ahead, behind)]
            for i in range(joints):
                difference = (ends[0][i] - ends[1][i]) / (2 * mpmath.mpf(10) ** -15)
                assert abs(difference - jacobian[i, j]) < 1e-15 * (1 + abs(difference))


@pytest.mark.parametrize(("seed", "joints"), [(0, 1), (5, 2), (9, 3)])
def test_interval_accelerations_contain_sampled_ones(seed, joints):
    model = tree(seed, joints)
    code = program(*rigid_body.accelerations_of(model))
    rng = np.random.default_rng(seed)
    low = rng.uniform(-1, 1, code.inputs)
    high = low + rng.uniform(0, 0.1, code.inputs)
    bounds = run(code, [Interval(x, y) for x, y in zip(low, high, strict=True)], interval.sin, interval.cos)
    for _ in range(50):
        z = [mpmath.mpf(x) for x in rng.uniform(low, high)]
        for bound, exact in zip(bounds, run(code, z, mpmath.sin, mpmath.cos), strict=True):
            assert bound.lower <= exact <= bound.upper


@pytest.mark.parametrize("name", DISTURBED)
def test_compiled_linearise_is_the_affine_model_of_the_step(name):
    model, noise = load(name), DISTURBED[name]
    step = compiled_step(model, noise)
    x, _ = states(model, 16, size=1.0)
    ours = jax.vmap(compiled_linearise(model, noise))(jnp.asarray(x))
    theirs = jax.vmap(linearise_by_differences(step, model.nu, noise.shape[1]))(jnp.asarray(x))
    for part, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(part, other, atol=1e-14)


@pytest.mark.parametrize(("joints", "differentiate"), [(1, jax.jacfwd), (1, jax.jacrev), (3, jax.jacrev)])
def test_compiled_step_has_exact_gradients(joints, differentiate):
    """Three joints make code long enough for the reverse-mode rule of its own."""
    model = tree(22, joints)
    graph, outputs = rigid_body.accelerations_of(model)
    assert (len(program(graph, outputs).operations) >= LONG) == (joints == 3)
    step = compiled_step(model, np.eye(joints))
    (x,), (a,) = states(model, 1)
    entries = [entry for row in gradients(outputs, graph.inputs) for entry in row]
    values = run(program(graph, entries), [*map(float, x), *map(float, a)], math.sin, math.cos)
    dt = model.opt.timestep
    expected = np.eye(joints, 2 * joints + model.nu, joints) + dt * np.reshape(values, (joints, -1))
    derivative = jax.jit(differentiate(step, argnums=(0, 1)))
    jacobian = np.hstack(derivative(jnp.asarray(x), jnp.asarray(a), jnp.zeros(joints)))
    np.testing.assert_allclose(jacobian[joints:], expected, rtol=1e-11, atol=1e-12)


def test_float32_stays_float32():
    step = compiled_step(load("cartpole"), DISTURBED["cartpole"])
    x = step(jnp.ones(4, "float32"), jnp.ones(1, "float32"), jnp.ones(1, "float32"))
    assert x.dtype == jnp.float32


# ---------------------------------------------------------------- what is refused

ROD = '<inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/>'
HINGE = '<joint name="hinge" axis="0 1 0"/>'
MOTOR = '<motor name="motor" joint="hinge"/>'
FLAG = '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>'


def written(joint: str = HINGE, actuator: str = MOTOR, option: str = "", more: str = "", flag: str = FLAG):
    return (
        f"<mujoco><option {option}>{flag}</option><worldbody>"
        f'<body name="rod">{joint}{ROD}<site name="tip"/></body>'
        f"</worldbody><actuator>{actuator}</actuator>{more}</mujoco>"
    )


REFUSED = {
    "hinge and slide": written('<joint name="hinge" type="ball"/>'),
    "density or viscosity": written(option='viscosity="0.1"'),
    "tendons": written(
        more='<tendon><fixed name="t"><joint joint="hinge" coef="1"/></fixed></tendon>',
    ),
    "equality": written(more='<equality><joint name="e" joint1="hinge"/></equality>'),
    "internal state": written(actuator='<general name="g" joint="hinge" dyntype="integrator"/>'),
    "forcerange": written(actuator='<motor name="m" joint="hinge" forcelimited="true" forcerange="-1 1"/>'),
    "limits the actuator force": written(
        '<joint name="hinge" axis="0 1 0" actuatorfrclimited="true" actuatorfrcrange="-1 1"/>'
    ),
    "depends on position or velocity": written(
        actuator='<general name="g" site="tip" gear="1 0 0 0 0 0" biastype="affine" biasprm="0 0 -1"/>'
    ),
    "not Euler": written(option='integrator="RK4"'),
    "constraint": written(flag='<flag contact="disable" eulerdamp="disable" clampctrl="disable"/>'),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_models_outside_the_scope_are_refused(reason):
    model = mujoco.MjModel.from_xml_string(REFUSED[reason])
    with pytest.raises(ValueError, match=reason):
        compiled_step(model, np.zeros((model.nv, 1)))


def test_the_model_that_the_refused_ones_vary_is_accepted():
    compiled_step(mujoco.MjModel.from_xml_string(written()), np.ones((1, 1)))


# ---------------------------------------------------------------- the remainder


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


def test_mechanical_offers_the_compiled_physics():
    dynamics = mechanical(load("cartpole"), DISTURBED["cartpole"], "compiled")
    affine = dynamics.linearise(jnp.ones(4))
    end = affine.drift + affine.control @ jnp.array([0.5]) + affine.noise @ jnp.array([0.1])
    np.testing.assert_allclose(
        end, dynamics.step(jnp.ones(4), jnp.array([0.5]), jnp.array([0.1])), atol=1e-14
    )
