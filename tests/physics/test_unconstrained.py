"""States that no constraint speaks of: what makes it sound to leave them out, and what is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from safebench.physics import enclosure
from safebench.physics.dynamics import mechanical
from safebench.physics.unconstrained import constrained, of_part, whole
from safebench.sets.polytope import Box, box, symmetric_box

DT, REACH = 0.02, {"theta": 10.0, "thetadot": 50.0}
LIMITS, GUST = symmetric_box([1.0, 2.0]), symmetric_box([0.05])
NOISE = np.array([[1.0], [0.0]])
CART = """<mujoco>
  <compiler angle="radian" inertiafromgeom="false"/>
  <option timestep="0.02" gravity="0 0 -9.8" integrator="Euler">
    <flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>
  </option>
  <worldbody>
    <body>
      <inertial pos="0 0 0" mass="1" diaginertia="0.01 0.01 0.01"/>
      <joint name="x" type="slide" axis="1 0 0"/>
      <body>
        <inertial pos="0 0 0.5" mass="0.1" diaginertia="0.0083 0.0083 1e-6"/>
        <joint name="theta" type="hinge" axis="0 1 0" damping="0.01"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor name="force" joint="x" ctrlrange="-5 5"/></actuator>
</mujoco>"""


def cart(commands="acceleration", unconstrained=None, physics="compiled", change=("", "")):
    model = mujoco.MjModel.from_xml_string(CART.replace(*change) if change[0] else CART)
    return mechanical(
        model, NOISE, physics, commands, unconstrained=REACH if unconstrained is None else unconstrained
    )


def test_the_rest_is_a_system_of_its_own():
    """A double integrator, by hand: x+ = x + dt v + dt^2 (5 a + w), v+ = v + dt (5 a + w)."""
    dynamics = cart()
    assert dynamics.state_names == ("x", "xdot")
    assert dict(dynamics.unconstrained) == {1: 10.0, 3: 50.0}
    found = dynamics.include(LIMITS, GUST)
    np.testing.assert_allclose(found.state, [[1, DT], [0, 1]], atol=1e-15)
    np.testing.assert_allclose(found.action, [[5 * DT**2], [5 * DT]], atol=1e-15)
    directions = np.array([[1.0, 0.0], [0.0, 1.0], [-2.0, 3.0]])
    exact = 0.05 * np.abs(directions @ [DT**2, DT])
    support = found.support(directions)
    assert (support >= exact).all()
    np.testing.assert_allclose(support, exact, atol=1e-9)


def test_the_inclusion_holds_whatever_the_others_do():
    dynamics, rng = cart(), np.random.default_rng(0)
    found = dynamics.include(LIMITS, GUST)
    x = rng.uniform([-1, -10, -2, -50], [1, 10, 2, 50], (4096, 4))
    a, w = rng.uniform(-1, 1, (4096, 1)), rng.choice([-0.05, 0.05], (4096, 1))
    after = np.asarray(jax.jit(jax.vmap(dynamics.step))(x, a, w))
    residual = after[:, [0, 2]] - x[:, [0, 2]] @ found.state.T - a @ found.action.T
    directions = np.vstack([np.eye(2), -np.eye(2), [[1.0, -1.0]]])
    assert (residual @ directions.T <= found.support(directions)).all()


@pytest.mark.parametrize("physics", ["compiled", "mjx"])
def test_the_steps_of_both_physics_move_the_rest_alike(physics):
    dynamics = cart(physics=physics)
    step = dynamics.step
    for angle, spin in ((0.0, 0.0), (3.0, -8.0), (-9.0, 49.0)):
        after = np.asarray(step(jnp.array([0.3, angle, -0.7, spin]), jnp.array([0.4]), jnp.array([0.01])))
        speed = -0.7 + DT * (2.0 + 0.01)
        np.testing.assert_allclose(after[[0, 2]], [0.3 + DT * speed, speed], rtol=0, atol=1e-14)


def test_a_cart_that_its_pole_pushes_is_refused():
    with pytest.raises(ValueError, match=r"xdot depends on theta, which is unconstrained: .*acceleration"):
        cart("force")


def test_and_would_not_be_sound():
    """The control of the test above: without the check, a swinging pole breaks what the inclusion says."""
    model = mujoco.MjModel.from_xml_string(CART)
    kept = constrained(4, {1: 10.0, 3: 50.0})
    over = box([-1, -0.1, -2, -0.1], [1, 0.1, 2, 0.1])
    claimed = of_part(enclosure.include(model, NOISE, over, GUST), kept)
    after = np.asarray(
        mechanical(model, NOISE, "compiled").step(
            jnp.array([0.0, 0.5, 0.0, 30.0]), jnp.zeros(1), jnp.zeros(1)
        )
    )
    assert np.abs(after[2]) > 2 * claimed.support(np.array([[0.0, np.sign(after[2])]]))[0]


@pytest.mark.parametrize(
    ("unconstrained", "message"),
    [
        ({"phi": 1.0}, r"unconstrained names 'phi', expected states among x, theta, xdot, thetadot"),
        ({"theta": 0.0, "thetadot": 1.0}, r"theta has the range 0\.0, expected a number above 0"),
        ({"theta": np.inf, "thetadot": 1.0}, r"theta has the range inf"),
        ({"theta": "wide", "thetadot": 1.0}, r"theta has the range 'wide'"),
        ({"thetadot": 50.0}, r"theta is constrained, so thetadot must be"),
        (dict.fromkeys(["x", "theta", "xdot", "thetadot"], 1.0), r"every state is unconstrained"),
    ],
)
def test_what_cannot_be_left_out_is_named(unconstrained, message):
    with pytest.raises(ValueError, match=message):
        cart(unconstrained=unconstrained)


def test_a_position_alone_can_be_left_out_where_nothing_depends_on_it():
    """The cart's place on an endless rail: speed, angle and rate move as they do anywhere."""
    dynamics = cart("force", {"x": 100.0})
    assert dynamics.state_names == ("theta", "xdot", "thetadot")
    found = dynamics.include(box([-0.4, -4, -3], [0.4, 4, 3]), GUST)
    whole_found = cart("force", {}).include(box([-2, -0.4, -4, -3], [2, 0.4, 4, 3]), GUST)
    np.testing.assert_allclose(found.state, whole_found.state[1:, 1:], atol=1e-15)
    directions = np.vstack([np.eye(3), -np.eye(3)])
    wide = np.hstack([np.zeros((6, 1)), directions])
    np.testing.assert_allclose(found.support(directions), whole_found.support(wide), rtol=1e-9, atol=1e-12)


def test_a_limit_of_a_force_that_nothing_bounds_is_refused():
    limited = ('ctrlrange="-5 5"', 'ctrlrange="-5 5" forcerange="-300 300"')
    with pytest.raises(ValueError, match=r"the forcerange of force cannot be proven: .* theta.*leave it out"):
        cart(change=limited)
    assert (
        cart(change=limited, unconstrained={})
        .include(box([-1, -3, -2, -5], [1, 3, 2, 5]), GUST)
        .forces[0]
        .limit
        == 300
    )


def test_the_box_has_the_other_states_alone():
    with pytest.raises(ValueError, match=r"the constraint box has 4 coordinates"):
        cart().include(symmetric_box([1, 1, 1, 1]), GUST)
    assert all(map(np.array_equal, whole(LIMITS, {1: 3.0, 3: 4.0}), symmetric_box([1, 3, 2, 4])))
    assert isinstance(whole(LIMITS, {}), Box)


def test_fingerprints_speak_of_the_model_alone():
    """A certificate is of the motion; which states it speaks of shows in its dimension."""
    assert cart().fingerprint == cart(unconstrained={"theta": 3.0, "thetadot": 9.0}).fingerprint
    assert replace(cart()).fingerprint == cart(unconstrained={}).fingerprint
