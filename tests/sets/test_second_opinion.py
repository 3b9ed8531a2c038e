"""The shipped safe sets, proven again by arithmetic that shares nothing with the proof's; no altered ones."""

from dataclasses import replace
from importlib import import_module, resources

import ball_models
import mujoco
import numpy as np
import pytest
from ball_models import SYSTEMS, Linear, exact
from mechanisms import load, states
from second_opinion import Claim, read, second_opinion

MECHANISMS = [name for name, system in SYSTEMS.items() if not isinstance(system, Linear)]


def shipped(name: str) -> Claim:
    return read(resources.files("safebench.tasks") / "certificates" / f"{name}.npz")


def boxes(name: str):
    task = import_module(f"safebench.tasks.{name}")
    return tuple(task.CONSTRAINTS), tuple(task.DISTURBANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_shipped_sets_are_proven_again(name):
    claim = shipped(name)
    assert claim.task == name
    assert second_opinion(claim, SYSTEMS[name], *boxes(name)) == []


# ---------------------------------------------------------------------------- altered sets


def both(claim, rows=slice(None), scale=1.0):
    """The same change to the set and to its base, which are one without translations."""
    normals, offsets = claim.normals[rows], scale * claim.offsets[rows]
    return replace(claim, normals=normals, offsets=offsets, base_normals=normals, base_offsets=offsets.copy())


def mixed(claim):
    normals = np.roll(claim.normals, 1, axis=0)
    return replace(claim, normals=normals, base_normals=normals)


def turned(claim):
    return replace(claim, normals=claim.normals[:, ::-1], base_normals=claim.base_normals[:, ::-1])


def spoilt(values):
    changed = np.array(values, float)
    changed.flat[0] = np.nan
    return changed


ALTERED = {
    "larger": ("bounded", lambda c: both(c, scale=1.02)),
    "smaller": ("invariance", lambda c: both(c, scale=0.01)),
    "first row dropped": ("bounded", lambda c: both(c, slice(1, None))),
    "nothing but a box": ("invariance", lambda c: both(c, np.count_nonzero(c.normals, axis=1) == 1)),
    "rows without their offsets": ("invariance", mixed),
    "coordinates swapped": ("invariance", turned),
    "inside out": ("bounded", lambda c: replace(c, normals=-np.abs(c.normals))),
    "no gain": ("invariance", lambda c: replace(c, gain=0 * c.gain)),
    "gain of the wrong sign": ("invariance", lambda c: replace(c, gain=-c.gain)),
    "gain too large": ("law", lambda c: replace(c, gain=4 * c.gain)),
    "pushed": ("law", lambda c: replace(c, feedforward=c.feedforward + 0.5)),
    "another base": ("projection", lambda c: replace(c, base_offsets=0.99 * c.base_offsets)),
    "contraction 1": ("contraction", lambda c: replace(c, contraction=1.0)),
    "contraction below 0": ("contraction", lambda c: replace(c, contraction=-0.5)),
    "contraction not reached": ("invariance", lambda c: replace(c, contraction=0.99)),
    "wider box": ("constraints", lambda c: replace(c, constraints=tuple(1.1 * e for e in c.constraints))),
    "quieter": ("disturbance", lambda c: replace(c, disturbance=tuple(0.9 * e for e in c.disturbance))),
    "origin moved": ("origin", lambda c: replace(c, origin=c.origin + 1e-3)),
    "no magnitude": ("magnitude", lambda c: replace(c, magnitude=0 * c.magnitude)),
    "negative magnitude": ("magnitude", lambda c: replace(c, magnitude=-c.magnitude)),
    "vast magnitude": ("float32", lambda c: replace(c, magnitude=100 * c.magnitude)),
    "no number": ("finite", lambda c: replace(c, offsets=spoilt(c.offsets))),
    "no contraction": ("finite", lambda c: replace(c, contraction=np.nan)),
}


@pytest.fixture(scope="module")
def pendulum():
    """(claim, system, constraints, disturbance); coarser cells, so a weaker contraction is claimed."""
    claim = replace(shipped("pendulum"), contraction=0.99951)
    system = SYSTEMS["pendulum"]._replace(cuts={0: 2048})
    return claim, system, *boxes("pendulum")


@pytest.mark.slow
def test_what_is_altered_below_is_proven_before(pendulum):
    assert second_opinion(*pendulum) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALTERED)
def test_altered_sets_are_refused(pendulum, kind):
    claim, *rest = pendulum
    condition, alter = ALTERED[kind]
    assert condition in second_opinion(alter(claim), *rest)


@pytest.mark.slow
def test_a_set_is_refused_for_other_physics(pendulum):
    claim, system, constraints, disturbance = pendulum
    assert "invariance" in second_opinion(claim, system._replace(time_step=0.06), constraints, disturbance)
    louder = tuple(5 * end for end in disturbance)
    assert "invariance" in second_opinion(replace(claim, disturbance=louder), system, constraints, louder)


REFERENCES = {
    "reference reaches less": (
        "projection",
        lambda c: replace(c, translation_limits=c.translation_limits / 2),
    ),
    "reference reaches more": (
        "invariance",
        lambda c: replace(c, translation_limits=1.01 * c.translation_limits),
    ),
    "negative reach": ("limits", lambda c: replace(c, translation_limits=-c.translation_limits)),
    "base too small": ("projection", lambda c: replace(c, base_offsets=0.9 * c.base_offsets)),
    "along speeds": (
        "projection",
        lambda c: replace(c, translations=np.roll(c.translations, 3, axis=0)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFERENCES)
def test_altered_references_are_refused(kind):
    condition, alter = REFERENCES[kind]
    coarse = SYSTEMS["quadrotor"]._replace(cuts={2: 512})
    assert condition in second_opinion(alter(shipped("quadrotor")), coarse, *boxes("quadrotor"))


# ---------------------------------------------------------------------------- sets that move


def points(period: float, push: float) -> Linear:
    """Two double integrators, semi-implicit."""
    add = np.vstack([period**2 * np.eye(2), period * np.eye(2)])
    state = np.block([[np.eye(2), period * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    return Linear(state, push * add, add, np.zeros(4))


MOVING = {"seeker": points(0.1, 2.0), "quadrotor_obstacles": SYSTEMS["quadrotor"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVING)
def test_shipped_sets_are_proven_again_for_every_corridor(name):
    claim = shipped(name)
    assert claim.task == name.replace("_", "-")
    assert second_opinion(claim, MOVING[name], *boxes(name)) == []


IN_A_CORRIDOR = {
    "a row less": lambda c: replace(c, normals=c.normals[:-1], offsets=c.offsets[:-1]),
    "a base too small": lambda c: replace(c, base_offsets=0.999 * c.base_offsets),
    "rows larger about their reference": lambda c: replace(
        c, offsets=1.01 * c.offsets - 0.01 * abs(c.normals @ c.translations) @ c.translation_limits
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", IN_A_CORRIDOR)
def test_altered_sets_that_move_are_refused(kind):
    altered = IN_A_CORRIDOR[kind](shipped("seeker"))
    assert "corridors" in second_opinion(altered, MOVING["seeker"], *boxes("seeker"))


@pytest.mark.slow
def test_a_set_that_a_spring_pulls_along_is_fixed():
    """It is invariant where its references may go everywhere, but not in a corridor far from the middle."""
    claim, system = shipped("seeker"), MOVING["seeker"]
    state = np.array(system.state)
    state[:, 0] -= 0.05 * system.noise[:, 0]
    failed = second_opinion(claim, system._replace(state=state), *boxes("seeker"))
    assert failed == ["corridors"]


# ---------------------------------------------------------------------------- quick controls


def driven(**changes) -> Claim:
    """x+ = x + a / 2 + w held in |x| <= 0.999 by a = -x against |w| <= 0.1, about 0."""
    sides, room = np.array([[1.0], [-1.0]]), np.full(2, 0.999)
    claim = Claim(
        task="driven",
        contraction=0.61,
        origin=np.zeros(1),
        normals=sides,
        offsets=room,
        base_normals=sides,
        base_offsets=room,
        gain=np.array([[-1.0]]),
        feedforward=np.zeros(1),
        translations=np.zeros((1, 0)),
        translation_limits=np.zeros(0),
        magnitude=np.array([1.6]),
        constraints=(-np.ones(1), np.ones(1)),
        disturbance=(np.full(1, -0.1), np.full(1, 0.1)),
    )
    return replace(claim, **changes)


def test_a_set_on_a_line_is_proven_and_its_alterations_are_not():
    one = np.ones((1, 1))
    system = Linear(one, 0.5 * one, one, np.zeros(1))
    claim = driven()
    assert second_opinion(claim, system, claim.constraints, claim.disturbance) == []
    for condition, changes in (
        ("invariance", {"contraction": 0.6}),  # reached: 0.5 + 0.1 / 0.999
        ("invariance", {"gain": np.zeros((1, 1))}),
        ("law", {"gain": np.array([[-1.01]])}),
        ("magnitude", {"magnitude": np.array([0.1])}),
        ("float32", {"magnitude": np.array([1e6])}),
        ("projection", {"base_offsets": np.full(2, 0.998)}),
    ):
        changed = driven(**changes)
        assert condition in second_opinion(changed, system, claim.constraints, claim.disturbance)
    wide = (np.array([-0.9]), np.array([1.1]))
    assert "inside X" in second_opinion(driven(constraints=wide), system, wide, claim.disturbance)


@pytest.mark.parametrize("name", MECHANISMS)
def test_closed_forms_are_the_models(name):
    model, system = load(name), SYSTEMS[name]
    assert model.opt.timestep == system.time_step
    data = mujoco.MjData(model)
    for x, a in zip(*states(model, 50), strict=True):
        data.qpos[:], data.qvel[:], data.ctrl[:] = x[: model.nq], x[model.nq :], a
        mujoco.mj_forward(model, data)
        acceleration = system.accelerations(x, a, np.sin, np.cos)
        np.testing.assert_allclose(acceleration, data.qacc, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "cuts"), [("pendulum", {0: 512}), ("quadrotor", {2: 128}), ("cartpole", {1: 24, 3: 12})]
)
def test_remainders_cover_the_steps_closely(name, cuts):
    """No sampled step leaves; the largest sampled remainder is nearly the bound, so less would be left."""
    system = SYSTEMS[name]._replace(cuts=cuts)
    constraints, disturbance = boxes(name)
    n, m, joints = len(constraints[0]), system.actions, len(system.disturbance_input)
    model = ball_models.mechanical_model(system, constraints, disturbance, exact(np.zeros(n)))
    rng = np.random.default_rng(0)
    x = rng.uniform(*constraints, (20_000, n))
    corner = rng.random((len(x), n)) < 0.5
    x[::2] = np.where(corner, *constraints)[::2]
    a = rng.choice([-1.0, 0.0, 1.0], (len(x), m))
    w = np.where(rng.random((len(x), len(disturbance[0]))) < 0.5, *disturbance)
    acceleration = np.stack(system.accelerations(x.T, a.T, np.sin, np.cos), axis=1)
    speed = x[:, joints:] + system.time_step * (acceleration + w @ system.disturbance_input.T)
    after = np.concatenate([x[:, :joints] + system.time_step * speed, speed], axis=1)
    rest = after - x @ model.state.astype(float).T - a @ model.action.astype(float).T  # origin 0
    for g in (*np.eye(n), *-np.eye(n), *rng.normal(size=(8, n))):
        bound, found = float(model.support(exact(g))), (rest @ g).max()
        assert found <= bound + 1e-13
        assert found >= 0.9 * bound - 1e-9
