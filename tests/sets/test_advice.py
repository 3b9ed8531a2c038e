"""When synthesis fails, the message names what took the room, and what it advises helps."""

import re
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from safebench.physics.dynamics import mechanical
from safebench.sets import advice, laws
from safebench.sets.advice import Shortfall
from safebench.sets.blocks import decouple
from safebench.sets.inclusion import Inclusion, linear_inclusion
from safebench.sets.invariant_set import first_rows, predecessor
from safebench.sets.polytope import Box, Polytope, box, symmetric_box
from safebench.sets.search import Search, SynthesisError
from safebench.sets.synthesis import prove_safe_set, synthesise

DT = 0.1
QUICK = Search(candidates=24, refinements=0, samples=2000)
NAMES = {"state_names": ("slide", "slidedot"), "action_names": ("push",)}
PARTS = ("disturbance", "state_nonlinearity", "action_nonlinearity", "constant", "contraction", "rounding")


def slider(
    room=1.0, speed=1.0, authority=1.0, loudness=0.0, bend=0.0, twist=0.0, gravity=0.0, spring=0.0, zero=0.0
):
    """slidedotdot = authority (1 + twist slide) a + bend slide^2 - spring slide - gravity + w.

    |slide - zero| <= room [m], |slidedot| <= speed [m/s], |w| <= loudness [m/s^2], DT s a step. The nonlinear
    terms (zero = 0 there) are bounded by their largest values.
    """
    push = np.array([[DT**2], [DT]])
    state = np.array([[1.0, DT], [0.0, 1.0]]) - spring * push @ np.array([[1.0, 0.0]])
    constraints = box([zero - room, -speed], [zero + room, speed])
    disturbance = symmetric_box([loudness])
    plain = linear_inclusion(state, authority * push, push, -gravity * push[:, 0], constraints, disturbance)

    def bounds(directions):
        along = np.abs(directions @ push)[:, 0]
        return along * bend * room**2, along * authority * twist * room

    def shares(directions):
        of_state, of_action = bounds(directions)
        return plain.shares(directions)._replace(state_nonlinearity=of_state, action_nonlinearity=of_action)

    inclusion = plain._replace(
        support=lambda directions: plain.support(directions) + sum(bounds(directions)), shares=shares
    )
    return inclusion, constraints, disturbance


def made(system, search=QUICK, **options):
    return synthesise(*system, "test", "f", search=search, **options)


def refusal(system, search=QUICK, **options) -> str:
    with pytest.raises(SynthesisError) as raised:
        made(system, search, **options)
    return str(raised.value)


def shortfalls(system: tuple[Inclusion, Box, Box], search=QUICK):
    """The one block of a system and all its laws that run out of room."""
    (block,) = decouple(system[0], system[1], [])
    tried = [laws._propagate(block, law, np.zeros(0), search) for law in laws._candidates(block, search)]
    return block, [failure for failure in tried if isinstance(failure, Shortfall)]


def lacking(block, failure):
    """What the failing row lacks at worst, by following it alone; it lacks nothing before it fails."""
    law, limit = failure.law, failure.limit
    first = first_rows(block, law, limit)
    rows = Polytope(first.normals[[failure.row]], first.offsets[[failure.row]])
    left = []
    for _ in range(QUICK.max_steps):
        left.append(rows.offsets[0])
        rows = predecessor(block, law, limit, rows, QUICK)
    assert min(left[: failure.steps]) > 0 >= left[failure.steps]
    return -min(left)


MIXED = slider(loudness=0.9, bend=0.5, twist=0.3, gravity=0.4)


def test_the_split_sums_to_what_was_taken():
    block, failures = shortfalls(MIXED)
    assert len(failures) >= 10
    assert len({failure.row for failure in failures}) >= 2
    for failure in failures:
        found = advice.split(block, failure, QUICK)
        parts = sum(getattr(found, part) for part in PARTS)
        assert parts == pytest.approx(found.taken, rel=0.01)
        assert found.taken >= found.room
        assert found.taken - found.room == pytest.approx(lacking(block, failure), rel=0.01)
        assert found.disturbance / found.state_nonlinearity == pytest.approx(0.9 / 0.5)
        assert found.state_nonlinearity / found.action_nonlinearity == pytest.approx(0.5 / 0.3)


def test_a_share_that_is_not_accounted_for_is_said():
    inclusion, *boxes = MIXED

    def half(directions):
        shares = inclusion.shares(directions)
        return shares._replace(disturbance=0.5 * shares.disturbance)

    assert "unexplained" in refusal((inclusion._replace(shares=half), *boxes))
    assert "unexplained" not in refusal(MIXED)


# What fails, the part that takes most, the first advice, and the same system with the advice followed.
FAILURES = {
    "disturbance": (
        slider(loudness=1.2),
        "the disturbance",
        "a smaller disturbance box",
        [slider(loudness=0.3)],
    ),
    "authority": (
        slider(loudness=1.2, speed=3.0, room=3.0),
        "the disturbance",
        "a smaller disturbance box or more actuator authority",
        [slider(loudness=1.2, speed=3.0, room=3.0, authority=3.0)],
    ),
    "state nonlinearity": (
        slider(bend=1.5, loudness=0.1),
        "the nonlinearity in the state",
        "narrower constraints on the coordinates that enter nonlinearly",
        [slider(bend=1.5, loudness=0.1, room=0.3)],
    ),
    "action nonlinearity, a bound fails": (
        slider(authority=40.0, twist=0.7, loudness=0.1),
        "the action's own nonlinearity",
        "less torque (a smaller gear), or computed torque",
        [slider(authority=1.0, twist=0.7, loudness=0.1), slider(authority=40.0, loudness=0.1)],
    ),
    "action nonlinearity, the action's limit fails": (
        slider(room=3.0, speed=3.0, twist=0.4, loudness=0.05),
        "the action's own nonlinearity",
        "computed torque, or less torque (a smaller gear) together with narrower constraints",
        [slider(room=3.0, speed=3.0, loudness=0.05), slider(room=1.0, speed=3.0, twist=0.4, loudness=0.05)],
    ),
    "gravity": (
        slider(gravity=1.5),
        "the constant (gravity, an offset of the origin)",
        "an origin nearer to an equilibrium",
        [slider(gravity=0.3), slider(gravity=1.5, authority=4.0)],
    ),
    "an origin far from the equilibrium": (
        slider(zero=2.0, spring=1.0, loudness=0.1),
        "the constant (gravity, an offset of the origin)",
        "an origin nearer to an equilibrium",
        [slider(zero=0.2, spring=1.0, loudness=0.1)],
    ),
    "rounding": (
        slider(zero=1e5, loudness=0.1),
        "rounding in float32",
        "states counted from a nearer zero",
        [slider(loudness=0.1)],
    ),
    "rounding of wide constraints": (
        slider(speed=1e3, loudness=0.1),
        "rounding in float32",
        "states counted from a nearer zero, or narrower constraints",
        [slider(speed=10.0, loudness=0.1)],
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_the_advice_follows_the_largest_part_and_helps(case):
    system, part, first_advice, mended = FAILURES[case]
    message = refusal(system, **NAMES)
    assert re.search(r"fails because the (limit of push|(upper|lower) bound of slide(dot)?) fails", message)
    assert f"Advice: {part} takes" in message
    assert message.split(": try ")[1].startswith(first_advice)
    for other in mended:
        assert len(made(other, **NAMES).offsets)


def test_a_contraction_that_asks_too_much_is_said():
    system = slider(loudness=0.1)
    assert "Advice: the contraction takes" in refusal(system, replace(QUICK, contraction=0.7))
    assert len(made(system).offsets)


def two_links(elbow_motor=0.0, damping=0.0, stiffness=0.0):
    """A motor of 1 N m at the shoulder; states (shoulder, elbow) [rad] and their rates, +-1 each."""
    inverse = np.linalg.inv([[2.0, 0.5], [0.5, 1.0]])
    push = np.vstack([DT**2 * inverse, DT * inverse])
    state = np.block([[np.eye(2), DT * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    passive = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, stiffness, 0.0, damping]])
    action = push @ (np.diag([1.0, elbow_motor]) if elbow_motor else np.array([[1.0], [0.0]]))
    constraints, disturbance = symmetric_box(np.ones(4)), symmetric_box([0.01])
    inclusion = linear_inclusion(
        state - push @ passive, action, push[:, :1], np.zeros(4), constraints, disturbance
    )
    return inclusion, constraints, disturbance


LINKS = ("shoulder", "elbow", "shoulderdot", "elbowdot")


def test_a_passive_joint_that_no_action_can_hold_is_told_from_one_not_found():
    message = refusal(two_links(), state_names=LINKS)
    assert "no safe set can be proven for shoulder, elbow, shoulderdot, elbowdot" in message
    assert "no action moves a combination of shoulderdot and elbowdot" in message
    assert "it does not come back: a step takes it to 1 of itself" in message
    assert "Add a motor, or damping and a spring" in message
    for mended in (two_links(elbow_motor=1.0), two_links(damping=1.0, stiffness=1.0)):
        assert len(made(mended, state_names=LINKS).offsets)
    # Negative control: a system for which a law might have been found is not called impossible.
    assert "can be proven" not in refusal(slider(loudness=1.2))


def test_the_modes_that_no_action_moves_lie_in_the_left_null_space():
    (block,) = decouple(*two_links()[:2], [], LINKS)
    modes = advice.unmoved_modes(block, 0.9995)
    assert {mode.states for mode in modes} == {("shoulderdot", "elbowdot")}
    assert [mode.modulus for mode in modes] == pytest.approx([1.0] * len(modes))
    # Independently: the controllability matrix has rank 2 only.
    reached = np.hstack([np.linalg.matrix_power(block.state, power) @ block.action for power in range(4)])
    assert np.linalg.matrix_rank(reached, tol=1e-9) == 2
    (block,) = decouple(*two_links(elbow_motor=1.0)[:2], [])
    assert advice.unmoved_modes(block, 0.9995) == []


def free_joint(damping, stiffness, loudness):
    """A slider with a motor and, decoupled from it, an elbow without one, which the disturbance pushes."""
    (driven, *_), push = slider(), np.array([[DT**2], [DT]])
    zero = np.zeros((2, 2))
    elbow = np.array([[1.0, DT], [0.0, 1.0]]) - push @ np.array([[stiffness, damping]])
    constraints, disturbance = symmetric_box(np.ones(4)), symmetric_box([loudness])
    inclusion = linear_inclusion(
        np.block([[driven.state, zero], [zero, elbow]]),
        np.vstack([driven.action, np.zeros((2, 1))]),
        np.vstack([np.zeros((2, 1)), push]),
        np.zeros(4),
        constraints,
        disturbance,
    )
    return inclusion, constraints, disturbance


def test_a_part_without_actions_is_called_that():
    names = {"state_names": ("slide", "slidedot", "elbow", "elbowdot"), "action_names": ("push",)}
    message = refusal(free_joint(0.0, 0.0, 0.1), **names)
    assert "no safe set can be proven for elbow, elbowdot: no action moves elbow and elbowdot" in message
    # Damped, but pushed too hard: a set may exist for less, and no action is to be blamed.
    message = refusal(free_joint(1.0, 1.0, 2.0), **names)
    assert "no safe set found for elbow, elbowdot: no action moves elbow and elbowdot" in message
    assert "the disturbance takes most of it: try a motor, or more damping and a stiffer spring" in message
    assert "authority" not in message
    assert "candidates" not in message
    for mended in (free_joint(1.0, 1.0, 0.3), free_joint(4.0, 6.0, 2.0)):
        assert len(made(mended, **names).offsets)


def test_a_mode_that_decays_too_slowly_asks_for_another_contraction():
    slow = free_joint(0.06, 1.0, 0.0)
    message = refusal(slow, replace(QUICK, contraction=0.99))
    assert re.search(r"a step takes it to 0\.99\d+ of itself \(mode in state 2 and state 3\)", message)
    assert "a contraction nearer to 1" in message
    assert len(made(slow, replace(QUICK, contraction=0.999)).offsets)


def test_a_search_that_ends_too_early_says_so():
    slow = free_joint(0.06, 1.0, 0.0)
    search = replace(QUICK, contraction=0.999)
    assert "some do not settle within 3 steps" in refusal(slow, replace(search, max_steps=3))
    assert "some need more than 20 rows" in refusal(slow, replace(search, max_rows=20))
    assert len(made(slow, search).offsets) > 20


def test_a_set_too_small_to_sample_is_not_called_missing():
    """x_i+ = 2 x_(i+1): the set is |x_i| <= 2^-i, a share of 2^-21 of the constraints |x_i| <= 1."""

    def doubling(radius):
        constraints, disturbance = symmetric_box(radius), symmetric_box([0.0])
        state, noise = 2 * np.eye(7, k=1), np.zeros((7, 1))
        none = np.zeros((7, 0))
        inclusion = linear_inclusion(state, none, noise, np.zeros(7), constraints, disturbance)
        return inclusion, constraints, disturbance

    message = refusal(doubling(np.ones(7)))
    assert "1 law(s) have one, but so small that no sampled state" in message
    assert made(doubling(0.5 ** np.arange(7))).volume[0] > 0.95


def arm(shoulder: float, elbow: str, passive: bool = False):
    """Two links of 0.5 m and 2 and 1 kg with damped hinges; torques in N m at dt = 0.01 s.

    elbow: its motor, as MJCF. passive: its hinge, along the lower link, is moved by nothing else.
    """
    axis = "0 0 1" if passive else "0 1 0"
    return mujoco.MjModel.from_xml_string(f"""<mujoco><option timestep="0.01" gravity="0 0 -9.81"><flag
      contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/></option><worldbody>
      <body><joint name="shoulder" axis="0 1 0" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.05" mass="2"/>
        <body pos="0 0 -0.5"><joint name="elbow" axis="{axis}" damping="{0 if passive else 0.1}"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.04" mass="1"/></body></body></worldbody>
      <actuator><motor name="upper" joint="shoulder" gear="{shoulder}"/>{elbow}</actuator></mujoco>""")


def found(model, angle: float, speed: float = 4.0):
    limits, loudness = symmetric_box([angle, angle, speed, speed]), symmetric_box([0.5, 0.5])
    return prove_safe_set(mechanical(model, np.eye(2), "compiled"), limits, loudness, "arm", search=QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("angle", [1.5, 0.5])
def test_an_arm_with_too_much_torque_is_told_so(angle):
    with pytest.raises(SynthesisError) as refused:
        found(arm(40.0, '<motor name="lower" joint="elbow" gear="15"/>'), angle)
    message = str(refused.value)
    assert "bound of elbowdot fails" in message
    share = re.search(r"\((\d+) %\) by the action's own nonlinearity", message)
    assert int(share[1]) > 70
    assert "takes most of it: try less torque (a smaller gear), or computed torque" in message
    assert "authority" not in message


@pytest.mark.slow
def test_an_arm_with_less_torque_has_a_set():
    """Control: what the message advises helps."""
    made_for_less = found(arm(20.0, '<motor name="lower" joint="elbow" gear="6"/>'), 0.5)
    assert made_for_less.volume[1] > 0.2


@pytest.mark.slow
def test_a_passive_joint_that_no_action_can_hold_is_called_that():
    with pytest.raises(SynthesisError, match="no action moves elbow and elbowdot") as refused:
        found(arm(4.0, "", passive=True), 0.2)
    assert "Add a motor, or damping and a spring, to a joint without" in str(refused.value)
