"""Compiled physics beside MJX and C MuJoCo, before a training: what is recorded, and what is refused."""

from dataclasses import replace

import pytest
from tiny_cells import tiny

from safebench.physics.dynamics import mjx_step
from safebench.runs import equality, kept, suites
from safebench.runs.prepare import prepare


@pytest.mark.parametrize("name", ["pendulum", "quadrotor"])
def test_compiled_physics_is_compared_with_mjx_and_c_mujoco(name):
    found = equality.compared(prepare(tiny(task=name)))
    assert 0 < found.compiled <= 1
    assert 0 < found.mjx <= 1
    assert found.states > 32


@pytest.mark.parametrize(("name", "physics"), [("pendulum", "mjx"), ("energy", "compiled")])
def test_other_physics_is_not(name, physics):
    assert equality.compared(prepare(replace(tiny(task=name), physics=physics))) is None


def test_compiled_physics_that_is_not_mujocos_is_refused():
    prepared = prepare(tiny())
    dynamics = prepared.task.dynamics
    other = replace(dynamics, step=lambda x, a, w: dynamics.step(x, a, w) + 1e-9)
    changed = prepared._replace(task=replace(prepared.task, dynamics=other), built_in=False)
    with pytest.raises(
        ValueError, match="compiled physics of 'pendulum' does not do what C MuJoCo does: the"
    ):
        equality.compared(changed)


def test_mjx_that_is_not_mujocos_is_refused(monkeypatch):
    def other(*arguments):
        step = mjx_step(*arguments)
        return lambda x, a, w: step(x, a, w) * (1 + 1e-9)

    monkeypatch.setattr(equality, "mjx_step", other)
    equality._moved_by_mjx.cache_clear()
    with pytest.raises(ValueError, match="MJX of 'pendulum' does not do what C MuJoCo does: the next"):
        equality.compared(prepare(tiny())._replace(built_in=False))
    equality._moved_by_mjx.cache_clear()


def test_it_is_compared_in_float64_whatever_the_session_has():
    found = equality.compared(prepare(replace(tiny(), precision="float32")))
    assert 0 < found.mjx <= 1


def test_its_programs_are_those_of_the_task_alone():
    first, other_cell, other_task = (
        kept.of_physics(prepare(cell))
        for cell in (tiny(), tiny("none", seeds=3, interactions=64), tiny(task="quadrotor"))
    )
    assert first == other_cell != other_task
    assert kept.identity(prepare(tiny())) != kept.identity(prepare(tiny("none")))  # the control


def test_compiled_physics_is_standard():
    (cell,) = suites.product(["pendulum"], ["none"], ["shac"])
    changed = suites.changed(cell, None, None, "compiled", "float64", {})
    assert suites.settings_of(changed).standard
    assert not suites.settings_of(replace(changed, precision="float32")).standard  # the control
