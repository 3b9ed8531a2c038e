"""Skipped updates: the term whose value or derivative is not finite is named, and a sound task has none."""

import dataclasses

import corridor_task
import jax.numpy as jnp
import pytest
from tiny_cells import result_of, tiny

from safebench.record import files
from safebench.runs import diagnose, here
from safebench.runs.events import Folders
from safebench.runs.prepare import prepare


@pytest.fixture(scope="module")
def prepared():
    return prepare(tiny())


def with_task(prepared, **changes):
    return prepared._replace(task=dataclasses.replace(prepared.task, **changes))


BROKEN = {
    "the derivative by the next state of reward() is nan at state (0, 0), action (0)": {
        "reward": lambda x, a, after, context: -jnp.sqrt(jnp.maximum(after[0] ** 2 - 100, 0))
    },
    "the derivative by the action of reward() is nan": {
        "reward": lambda x, a, after, context: -jnp.sqrt(jnp.maximum(jnp.sum(a**2) - 9, 0))
    },
    "the value of reward() is nan": {"reward": lambda x, a, after, context: jnp.log(after[0] - 9)},
    "the derivative by the state of observe() is": {"observe": lambda x, context: jnp.abs(x - x) ** 0.5},
}


@pytest.mark.parametrize("said", BROKEN)
def test_the_term_that_is_not_finite_is_named(said, prepared):
    line = diagnose.non_finite_term(with_task(prepared, **BROKEN[said]))
    assert said in line
    assert line.startswith("look at ")
    assert "pendulum.py" in line
    assert "\n" not in line


def moving(prepared, **changes):
    """The same with the small task whose safe set moves, changed."""
    task = dataclasses.replace(corridor_task.make(), **changes)
    return prepared._replace(task=task, env=type(prepared.env)(task, prepared.env.safeguard))


@pytest.mark.slow
def test_of_a_set_that_moves_starts_at_rest_and_states_anywhere_are_looked_at(prepared):
    assert diagnose.non_finite_term(moving(prepared)) is None  # the negative control
    at_rest = diagnose.non_finite_term(
        moving(prepared, observe=lambda x, scene, corridor: jnp.sqrt(x[2:] ** 2) + corridor.low)
    )
    assert "the derivative by the state of observe() is nan" in at_rest
    assert at_rest.endswith(", 0, 0), action (0, 0)")
    anywhere = diagnose.non_finite_term(
        moving(prepared, observe=lambda x, scene, corridor: jnp.log(1e-9 - corridor.high + corridor.low))
    )
    assert "the value of observe() is nan" in anywhere
    assert not anywhere.endswith("action (0, 0)")


@pytest.mark.slow
def test_a_safeguard_and_the_dynamics_are_looked_at_too(prepared):
    assert diagnose.non_finite_term(prepared) is None  # the negative control

    def guard(action, actions):
        found = prepared.env.safeguard(action, actions)
        return found._replace(action=found.action + jnp.sqrt(jnp.sum(action - action)))

    env = type(prepared.env)(prepared.task, guard)
    line = diagnose.non_finite_term(prepared._replace(env=env))
    assert "the derivative by the action of the safeguard is nan" in line
    assert "ray_mask.py" in line


def test_some_skipped_updates_are_a_remark_and_all_of_a_seed_a_failure(monkeypatch):
    cell = tiny()
    found = result_of(cell)
    monkeypatch.setattr(diagnose, "where_to_look", lambda cell: "look there")

    def ended(skipped):
        runs = [
            dataclasses.replace(run, curve=dataclasses.replace(run.curve, skipped=skipped(run.curve.updates)))
            for run in found.runs
        ]
        monkeypatch.setattr(here, "run", lambda *arguments: dataclasses.replace(found, runs=tuple(runs)))
        return here.work(cell, Folders(), lambda event: None)

    none = ended(lambda updates: (0,) * len(updates))
    assert (none.state, none.remark, none.problem) == ("done", "", "")
    some = ended(lambda updates: (1,) * len(updates))
    tried = sum(run.curve.updates[-1] for run in found.runs)
    assert some.state == "done"
    assert some.remark == f"2 of {tried} updates were skipped: a loss or gradient was not finite; look there"
    every = ended(lambda updates: updates)
    assert every.state == "failed"
    assert every.problem.startswith("every update of seeds 0, 1 was skipped")
    assert every.problem.endswith("look there")
    assert every.result is not None


def test_a_diagnosis_never_raises(monkeypatch):
    monkeypatch.setattr(diagnose, "prepare", lambda cell: 1 / 0)
    assert diagnose.where_to_look(tiny()) == "no term could be looked at (ZeroDivisionError)"


REWARD = """
import dataclasses
import jax.numpy as jnp
from safebench.tasks import pendulum
synthesise = pendulum.synthesise

def make(physics):
    task = pendulum.make(physics)
    certificate = dataclasses.replace(task.certificate, task="hidden")
    reward = lambda x, a, after, context: -jnp.sqrt(jnp.maximum(after[0] ** 2 - 100, 0))
    return dataclasses.replace(task, name="hidden", certificate=certificate, reward=reward)
"""


@pytest.mark.slow
def test_a_reward_without_a_gradient_is_a_failed_run_that_names_it(tmp_path, safebench, monkeypatch):
    from tiny_cells import ARGUMENTS

    monkeypatch.chdir(tmp_path)
    (tmp_path / "hidden.py").write_text(REWARD)
    arguments = [*ARGUMENTS, "-t", "./hidden.py", "-g", "ray-mask", "--out", "out"]
    arguments = [word for at, word in enumerate(arguments) if at not in (0, 1)]  # without its pendulum
    code, output, _ = safebench("run", *arguments)
    assert code == 1
    assert "every update of seeds 0, 1 was skipped" in output
    assert "look at hidden.py: the derivative by the next state of reward() is nan" in output
    found = files.load(tmp_path / "out" / "hidden" / "ray-mask--shac.json")
    assert found.failed_seeds == (0, 1)
    code, output, _ = safebench("run", *arguments)
    assert code == 1
    assert "finished before" in output
