"""Reach with the tip of a serial arm under gravity, joints commanded by acceleration, within all its limits.

The arm's own inverse dynamics turns accelerations into torques (computed torque), so that the safe set is one
of double integrators, in any number of joints. The torques that this takes are bounded by the proof as well.

| | arm2; arm4, arm14: so many links | arm7 |
|---|---|---|
| model | rods of 0.5 m, 1 kg; axes y, y, z, z, y, ... | Franka Emika Panda without a hand |
| state | q1, ... [rad], q1dot, ... [rad/s] | the same |
| action | accelerations 5 a rad/s^2 | 1 a rad/s^2 |
| limits | abs q <= 2.5, abs qdot <= 1.5 | q as in its data sheet, abs qdot <= 0.5 |
| disturbance | 0.2 rad/s^2 on every joint | 0.05 rad/s^2 |
| torque limit | 17, 5 N m; arm4, arm14: none | 87 N m (joints 1 to 4), 12 N m (5 to 7) |
| horizon | 10 s | 15 s: at 0.5 rad/s the far end of a joint's range is 12 s away |

Targets [m] are where the tip is for joint angles drawn uniformly; in every third episode the elbow (the
second joint of two, the fourth of seven) is within a tenth of its range of one of its ends. The distance
from shoulder to tip follows from the elbow in arm2, to the wrist in arm7: such a target needs it there.
Masses and limits of arm7: data sheet of the robot, and Gaz et al., Dynamic identification of the Franka
Emika Panda robot (2019), as in MuJoCo Menagerie. It is held to less speed and acceleration than the robot
can (2.2 rad/s, 7.5 rad/s^2): with these its rated torques are proven to suffice.
"""

import copy
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

from safebench.task import (
    Box,
    Certificate,
    Corridor,
    Discs,
    Physics,
    Picture,
    Progress,
    Search,
    Task,
    box,
    mechanical,
    prove_safe_set,
    safe_norm,
    shipped_certificate,
    site_position,
    symmetric_box,
)

VARIANTS = {"arm4": {"links": 4}, "arm7": {"links": 7}, "arm14": {"links": 14}}

HORIZON = 200
PANDA_HORIZON = 300
GOAL_RADIUS = 0.05  # m
AXES = ("0 1 0", "0 1 0", "0 0 1", "0 0 1")  # of a chain's joints, in turns
PANDA = 7  # links of the arm that is no chain of rods
LOWEST = [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]  # rad
HIGHEST = [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]
NEAR = 0.1  # share of the elbow's range at either end
MOST_LINKS = 32


class Goal(NamedTuple):
    """Where the tip should be [m]."""

    target: Float[Array, " 3"]


def model(links: int) -> mujoco.MjModel:
    """The arm with so many links: from its file, or a chain made from the second link of the first file.

    Raises:
        ValueError: for a number of links that is none from 2 to 32.
    """
    if isinstance(links, bool) or not isinstance(links, int) or not 2 <= links <= MOST_LINKS:
        raise ValueError(f"links must be a whole number from 2 to {MOST_LINKS}, not {links!r}")
    assets = Path(__file__).parent / "assets"
    if links == PANDA:
        return mujoco.MjModel.from_xml_path(str(assets / "arm7.xml"))
    root = ElementTree.parse(assets / "arm2.xml").getroot()
    last, motors = root.find(".//body[@name='link2']"), root.find("actuator")
    assert last is not None
    assert motors is not None
    for number in range(3, links + 1):
        link, motor = copy.deepcopy(last), copy.deepcopy(motors[-1])
        for site in last.findall("site"):
            last.remove(site)
        last.append(link)
        motors.append(motor)
        for element in (*link.iter(), motor):
            for name in {"name", "joint"} & set(element.keys()):
                element.set(name, element.get(name, "").replace(f"{number - 1}", f"{number}"))
        for joint in link.findall("joint"):
            joint.set("axis", AXES[(number - 1) % len(AXES)])
        last = link
    for motor in motors if links > 2 else ():
        del motor.attrib["forcerange"]
    return mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))


def constraints(links: int) -> Box:
    """Joint angles [rad], then speeds [rad/s]."""
    if links == PANDA:
        return box([*LOWEST, *[-0.5] * links], [*HIGHEST, *[0.5] * links])
    return symmetric_box(np.repeat([2.5, 1.5], links))


def disturbance(links: int) -> Box:
    """Added to the joints' accelerations [rad/s^2]."""
    return symmetric_box(np.full(links, 0.05 if links == PANDA else 0.2))


def synthesise(progress: Progress | None = None, links: int = 2) -> Certificate:
    """Find and prove the safe set from scratch; seconds, half a minute for fourteen links."""
    return prove_safe_set(
        mechanical(model(links), np.eye(links), commands="acceleration"),
        constraints(links),
        disturbance(links),
        f"arm{links}",
        search=Search(contraction=0.999, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx", links: int = 2) -> Task:
    """The arm with so many links, with the physics asked for.

    Raises:
        ValueError: for a number of links without a certificate, or none from 2 to 32.
    """
    arm = model(links)
    dynamics = mechanical(arm, np.eye(links), physics, commands="acceleration")
    limits = constraints(links)
    tip = site_position(arm, "tip")
    lowest, highest = limits.lower[:links], limits.upper[:links]
    elbow = links // 2

    def begin(key: PRNGKeyArray, x: Array) -> Goal:
        """A target drawn by joint angles, in every third episode with the elbow near an end of its range."""
        angles, ends, which, side = jax.random.split(key, 4)
        low, high = jnp.asarray(lowest, x.dtype), jnp.asarray(highest, x.dtype)
        share = jax.random.uniform(angles, (links,), x.dtype)
        near = NEAR * jax.random.uniform(ends, (), x.dtype)
        near = jnp.where(jax.random.bernoulli(side), near, 1.0 - near)
        share = share.at[elbow].set(jnp.where(jax.random.bernoulli(which, 1 / 3), near, share[elbow]))
        return Goal(tip(low + share * (high - low)))

    def observe(x: Float[Array, " n"], goal: Goal) -> Float[Array, " o"]:
        """(angles and speeds in units of their limits, tip, target, way from one to the other [m], turn).

        turn: minus the derivative of half the squared way by the angles [m^2/rad]: where each joint should
        turn to bring the tip nearer.
        """
        place = tip(x[:links])
        scaled = (x - jnp.asarray(limits.centre, x.dtype)) / jnp.asarray(limits.radius, x.dtype)
        turn = jax.grad(lambda q: jnp.dot(tip(q), goal.target - place))(x[:links])
        return jnp.concatenate([scaled, place, goal.target, goal.target - place, turn])

    def reward(x: Array, a: Array, after: Array, goal: Goal) -> Scalar:
        """-(distance of the tip to the target [m] + 0.01 |a|^2 / links), at the next state."""
        return -safe_norm(tip(after[:links]) - goal.target) - 0.01 * jnp.mean(a**2)

    def reached(x: Array, goal: Goal) -> Bool[Array, " 1"]:
        """Whether the tip is within 5 cm of the target."""
        return (safe_norm(tip(x[:links]) - goal.target) <= GOAL_RADIUS)[None]

    def picture(x: Array, goal: Goal, corridor: Corridor) -> Picture:
        """The target, seen from the side: x to the right, z up."""
        nothing = Discs(jnp.zeros((0, 2)), jnp.zeros(0))
        return Picture(nothing, nothing, goal.target[None, ::2])

    return Task(
        name=f"arm{links}",
        summary=f"reach targets with a {links}-joint arm, joints commanded by acceleration",
        horizon=PANDA_HORIZON if links == PANDA else HORIZON,
        dynamics=dynamics,
        constraints=limits,
        disturbance=disturbance(links),
        certificate=shipped_certificate(__file__, dynamics, f"arm{links}" if links > 2 else None),
        observe=observe,
        reward=reward,
        begin=begin,
        reached=reached,
        picture=picture,
    )
