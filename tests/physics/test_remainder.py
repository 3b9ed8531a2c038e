"""Bounds of what the affine model leaves out: never exceeded, nearly reached."""

import jax
import jax.numpy as jnp
import mpmath
import mujoco
import numpy as np
import pytest
from mechanisms import BOXES, DISTURBANCES, DISTURBED, load, states

from safebench.physics import enclosure, rigid_body
from safebench.physics.compiled import compiled_step
from safebench.physics.cover import cover, highest
from safebench.physics.dynamics import mjx_step
from safebench.physics.expression import Graph, gradients, program, run
from safebench.physics.field import field_of
from safebench.physics.remainder import include
from safebench.sets.polytope import Box, symmetric_box
from safebench.sets.rounding import allowance


def residuals(name: str, box: Box, count: int, seed: int = 0):
    """Residuals of the compiled step against the inclusion's linear model, at corners and inside."""
    model, noise, swing = load(name), DISTURBED[name], DISTURBANCES[name]
    inclusion = enclosure.include(model, noise, BOXES[name], swing)
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
    inclusion = enclosure.include(model, noise, BOXES["pendulum"], DISTURBANCES["pendulum"])
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
    inclusion = enclosure.include(model, np.array([[1.0]]), box, still)
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
    inclusion = enclosure.include(model, np.eye(6, 1), symmetric_box(np.ones(12)), symmetric_box([0.0]))
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
        enclosure.include(model, noise, symmetric_box([1.0, 1.0, 1.0]), symmetric_box([0.1]))
    with pytest.raises(ValueError, match="disturbance box has 2"):
        enclosure.include(model, noise, symmetric_box([1.0, 1.0]), symmetric_box([0.1, 0.1]))


def chain(masses, lengths, joints: str, motors, torque: float = 5.0) -> mujoco.MjModel:
    """A standing planar chain under gravity; joints: "h" hinge, "s" slide across, one letter each."""
    bodies, top = "", 0.0
    for k, (mass, length, kind) in enumerate(zip(masses, lengths, joints, strict=True)):
        joint = 'type="hinge" axis="0 1 0"' if kind == "h" else 'type="slide" axis="1 0 0"'
        bodies += (
            f'<body pos="0 0 {top}"><joint name="j{k}" {joint} damping="0.1"/>'
            f'<geom type="capsule" fromto="0 0 0 0 0 {length}" size="0.04" mass="{mass}"/>'
        )
        top = length
    pushes = "".join(f'<motor joint="j{k}" gear="{torque}"/>' for k in motors)
    return mujoco.MjModel.from_xml_string(
        f'<mujoco><option timestep="0.02">{FLAG}</option><worldbody>{bodies}{"</body>" * len(joints)}'
        f"</worldbody><actuator>{pushes}</actuator></mujoco>"
    )


CHAINS = {
    "two links, one radian": (chain([2, 1], [0.5, 0.5], "hh", [0, 1], 20.0), [1.0] * 2 + [2.0] * 2),
    "two links, one motor": (chain([1, 0.7], [0.6, 0.4], "hh", [0]), [0.3] * 2 + [2.0] * 2),
    "three equal links": (chain([1, 1, 1], [0.5] * 3, "hhh", [0, 1, 2]), [0.15] * 3 + [1.0] * 3),
    "three links, fast": (chain([3, 1, 0.5], [0.6, 0.4, 0.3], "hhh", [0, 1, 2]), [0.3] * 3 + [2.0] * 3),
    "three links, one motor": (chain([1, 1, 1], [0.5] * 3, "hhh", [0]), [0.3] * 3 + [1.0] * 3),
    "cart with two links": (chain([2, 0.5, 0.3], [0.1, 0.5, 0.4], "shh", [0]), [1.0, 0.3, 0.3] + [2.0] * 3),
    "slide in the middle": (
        chain([2, 0.5, 0.3], [0.4, 0.5, 0.4], "hsh", [0, 1, 2]),
        [0.3, 0.2, 0.3, 2, 1, 2],
    ),
}


def remainders(model: mujoco.MjModel, inclusion, box: Box, count: int = 100_000):
    """Samples of acc less the inclusion's linear part, many of them at the corners of the box."""
    joints, dt = model.nv, model.opt.timestep
    rng = np.random.default_rng(0)
    where = rng.random((count, 2 * joints))
    x = rng.uniform(box.lower, box.upper, where.shape)
    x = np.where(where < 0.35, box.lower, np.where(where > 0.65, box.upper, x))
    a = rng.choice([-1.0, 1.0], (count, model.nu))
    code = program(*rigid_body.accelerations_of(model))
    found = np.stack(np.broadcast_arrays(*run(code, [*x.T, *a.T], np.sin, np.cos)), axis=-1)
    slope = (inclusion.state[joints:] - np.eye(2 * joints)[joints:]) / dt
    return found - (x - inclusion.origin) @ slope.T - a @ inclusion.action[joints:].T / dt


@pytest.mark.parametrize("name", CHAINS)
def test_bounds_of_chains_are_within_a_tenth_of_what_samples_reach(name):
    model, radius = CHAINS[name]
    joints, dt = model.nv, model.opt.timestep
    box = symmetric_box(radius)
    inclusion = enclosure.include(model, np.eye(joints), box, symmetric_box(np.zeros(joints)))
    u = np.vstack([np.eye(joints), -np.eye(joints)])
    u = np.vstack([u, np.random.default_rng(1).normal(size=(20, joints))])
    bound = inclusion.support(np.hstack([0.0 * u, u])) / dt
    reached = (remainders(model, inclusion, box) @ u.T).max(axis=0)
    assert (reached <= bound).all()
    assert (bound[: 2 * joints] <= 1.1 * reached[: 2 * joints]).all()
    # In other directions the parts of the remainder cancel.
    assert (bound <= 1.5 * reached).all()
    # Negative control: the bound is one for this box.
    wider = remainders(model, inclusion, Box(1.1 * box.lower, 1.1 * box.upper)) @ u.T
    assert (wider.max(axis=0) > bound).any()


def test_a_tree_out_of_the_plane_is_bounded():
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><option timestep="0.02">{FLAG}</option><worldbody><body><joint name="j" axis="0 0.6 0.8"/>'
        '<geom type="capsule" fromto="0 0 0 .3 0 .4" size=".04" mass="1"/>'
        '<body pos=".3 0 .4"><joint axis="1 0.2 0"/><geom type="box" size=".1 .2 .3" mass=".5"/></body>'
        '</body></worldbody><actuator><motor joint="j" gear="2"/></actuator></mujoco>'
    )
    box = Box(np.array([-0.1, 0.2, -1.0, 0.0]), np.array([0.5, 0.6, 1.0, 0.5]))
    inclusion = enclosure.include(model, np.eye(2), box, symmetric_box([0.0, 0.0]))
    u = np.random.default_rng(1).normal(size=(20, 2))
    found = (remainders(model, inclusion, box) @ u.T).max(axis=0)
    bound = inclusion.support(np.hstack([0.0 * u, u])) / model.opt.timestep
    assert (found <= bound).all()
    assert (bound <= found + 0.05 * np.abs(found) + 0.05).all()


def test_magnitude_covers_what_a_step_adds_up():
    model, radius = CHAINS["two links, one radian"]
    dt, box, swing = model.opt.timestep, symmetric_box(radius), symmetric_box([0.3, 0.0])
    graph, outputs = rigid_body.accelerations_of(model)
    inclusion = include(graph, outputs, dt, np.eye(2), box, swing)
    columns = gradients(outputs, graph.inputs[4:])
    code = program(graph, [*outputs, *(entry for row in columns for entry in row)])
    rng = np.random.default_rng(0)
    x, a = rng.uniform(box.lower, box.upper, (20_000, 4)), rng.uniform(-1, 1, (20_000, 2))
    values = np.stack(np.broadcast_arrays(*run(code, [*x.T, *a.T], np.sin, np.cos)))
    accelerations, pushes = np.abs(values[:2]), np.abs(values[2:]).reshape(2, 2, -1).sum(axis=1)
    terms = (accelerations + pushes).max(axis=1) + np.array([0.3, 0.0])
    assert (dt * terms <= inclusion.magnitude[2:]).all()
    assert (inclusion.magnitude[2:] <= 2.5 * np.maximum(dt * terms, box.upper[2:])).all()
    assert (inclusion.magnitude >= box.upper).all()


def test_support_grants_the_allowance_of_a_magnitude_found_elsewhere():
    graph, outputs = rigid_body.accelerations_of(load("pendulum"))
    arguments = graph, outputs, 0.05, DISTURBED["pendulum"], BOXES["pendulum"], DISTURBANCES["pendulum"]
    plain, less = include(*arguments), include(*arguments, rounding=1e-3)
    coarse = include(*arguments, rounding=np.array([0.0, 1e9]))
    np.testing.assert_array_equal(less.magnitude, plain.magnitude)
    np.testing.assert_array_equal(coarse.magnitude, [plain.magnitude[0], 1e9])
    g = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0]])
    grown = coarse.support(g) - plain.support(g)
    np.testing.assert_allclose(grown[:2], allowance(1e9, np.float64), rtol=1e-3)
    assert abs(grown[2]) < 1e-12
    unknown = include(*arguments, rounding=np.nan)
    assert not np.isfinite(unknown.support(g)).any()


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "two links, one radian"])
def test_shares_add_up_to_the_support(name):
    if name in DISTURBED:
        model, noise, box, swing = load(name), DISTURBED[name], BOXES[name], DISTURBANCES[name]
    else:
        model, radius = CHAINS[name]
        noise, box, swing = np.eye(2), symmetric_box(radius), symmetric_box([0.1, 0.2])
    box = Box(box.lower, 1.1 * box.upper)
    inclusion = enclosure.include(model, noise, box, swing)
    n = len(box.lower)
    g = np.vstack([np.eye(n), -np.eye(n), np.random.default_rng(0).normal(size=(10, n))])
    shares = inclusion.shares(g)
    np.testing.assert_allclose(sum(shares), inclusion.support(g), atol=1e-10)
    np.testing.assert_allclose(
        shares.disturbance,
        np.abs(g @ np.vstack([model.opt.timestep**2 * noise, model.opt.timestep * noise])) @ swing.upper,
        atol=1e-12,
    )
    assert (shares.state_nonlinearity > -1e-9).all()
    assert (shares.action_nonlinearity > -1e-9).all()
    assert shares.state_nonlinearity.max() > 1e-3
    # The pendulum's torque acts alike in every state; a chain's does not.
    assert (shares.action_nonlinearity.max() > 1e-3) == (name != "pendulum")
    # What moves the origin is a fact of the model at one point.
    step = compiled_step(model, noise)
    moved = step(jnp.asarray(inclusion.origin), jnp.zeros(model.nu), jnp.zeros(noise.shape[1]))
    np.testing.assert_allclose(shares.constant, g @ (np.asarray(moved) - inclusion.origin), atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
def test_a_bound_that_is_not_finite_is_refused_by_its_coordinate(bad):
    model, noise = load("pendulum"), DISTURBED["pendulum"]
    box, swing = BOXES["pendulum"], DISTURBANCES["pendulum"]
    upper = np.array([2.5, bad])
    with pytest.raises(ValueError, match="coordinate 1 of the constraint box"):
        enclosure.include(model, noise, Box(box.lower, upper), swing)
    with pytest.raises(ValueError, match="coordinate 0 of the constraint box"):
        enclosure.include(model, noise, Box(upper[::-1], box.upper), swing)
    with pytest.raises(ValueError, match="coordinate 0 of the disturbance box"):
        enclosure.include(model, noise, box, Box(np.array([bad]), np.array([bad])))


def test_a_huge_box_has_a_huge_bound():
    model, _ = CHAINS["two links, one motor"]
    box = symmetric_box([1, 1, 1e99, 1e99])
    inclusion = enclosure.include(model, np.eye(2), box, symmetric_box([0, 0]))
    reached = np.abs(remainders(model, inclusion, box, 1000)).max(axis=0)
    assert (inclusion.support(np.eye(4)[2:]) / model.opt.timestep >= reached).all()
    assert (reached > 1e190).all()


def slide(function) -> tuple[Graph, list]:
    """One joint without actions whose acceleration is a function of (q, v)."""
    graph = Graph()
    q, v = graph.input(), graph.input()
    return graph, [function(q, v)]


def included(function, box: Box):
    graph, outputs = slide(function)
    return include(graph, outputs, 0.1, np.zeros((1, 1)), box, symmetric_box([0.0]))


@pytest.mark.parametrize(
    "function",
    [
        lambda q, v: -q + 0.0 / (v + 0.5),
        lambda q, v: -q + 0.0 * (q / (v + 0.5)),
        lambda q, v: -q + (0.0 / (v * v - 0.25)) * q,
        lambda q, v: -q / (v + 0.5),
    ],
)
def test_a_singularity_in_the_box_is_refused_also_where_it_was_folded_away(function):
    with pytest.raises(ValueError, match="no finite bound"):
        included(function, symmetric_box([1.0, 1.0]))
    # Negative control: in a box without the singularity the same system has a bound, and the program for
    # the accelerations alone sees no difference between the two where the quotient was folded.
    away = Box(np.array([-1.0, 1.0]), np.array([1.0, 2.0]))
    assert np.isfinite(included(function, away).support(np.eye(2))).all()


def test_a_constant_column_is_not_taken_for_the_float_it_was_folded_to():
    """0.1 + 0.2 - 0.3 in floats is twice what it is in real arithmetic on these floats."""

    def function(q, v):
        return (0.1 * q + 0.2 * q) - 0.3 * q

    box = symmetric_box([1.0, 1.0])
    graph, outputs = slide(function)
    field = field_of(graph, outputs, box)
    cells, _ = cover(field, 100)
    with mpmath.workdps(40):
        exact = mpmath.mpf(0.1) + mpmath.mpf(0.2) - mpmath.mpf(0.3)
        off = float(abs(exact - mpmath.mpf(field.slope[0, 0])))
        assert (highest(cells, np.array([[1.0], [-1.0]])) >= off).all()
        # Negative control: a Jacobian in symbols folds to another float, with which no remainder is 0.
        folded = gradients(outputs, graph.inputs)[0][0]
        assert isinstance(folded, float)
        assert abs(mpmath.mpf(folded) - exact) > 1e-17


def test_accelerations_that_are_not_affine_in_the_actions_are_refused():
    graph = Graph()
    _, v, a = (graph.input() for _ in range(3))
    with pytest.raises(ValueError, match="affine in the actions"):
        include(graph, [a * a - v], 0.1, np.zeros((1, 1)), symmetric_box([1.0, 1.0]), symmetric_box([0.0]))


@pytest.mark.parametrize("cells", [1, 30, 400])
def test_the_cover_holds_at_every_point_of_every_size(cells):
    """Fewer cells are coarser, never wrong; a point's remainder lies below the bound in every direction."""
    model, radius = CHAINS["three links, fast"]
    box = symmetric_box(radius)
    graph, outputs = rigid_body.accelerations_of(model)
    field = field_of(graph, outputs, box)
    found, boxes = cover(field, cells)
    assert len(found.centre) == len(boxes.lower) * 2 ** len(field.ends)
    rng = np.random.default_rng(0)
    z = rng.uniform(field.domain.lower, field.domain.upper, (20_000, 9))
    z = np.where(rng.random(z.shape) < 0.4, np.sign(z) * field.domain.upper, z)
    rho = np.stack(run(program(graph, outputs), list(z.T), np.sin, np.cos), -1) - (z @ field.slope.T)
    u = rng.normal(size=(50, 3))
    assert ((rho @ u.T).max(axis=0) <= highest(found, u)).all()
