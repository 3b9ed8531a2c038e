"""The smallest cells that train, for the tests of what runs cells; and results they might have given."""

import dataclasses

from synthetic_results import make

from safebench.record.result import Counters
from safebench.runs import suites
from safebench.runs.events import Evaluated, Snapshot

INTERACTIONS = 32
LEARNER = ("environments=2", "window=4", "policy_hidden=(8,)", "value_hidden=(8,)", "value_fits=1")
EVALUATION = ("starts=4", "horizon=16")
ARGUMENTS = ["-t", "pendulum", "-l", "shac", "--physics", "compiled", "--seeds", "2", "-n", str(INTERACTIONS)]
ARGUMENTS += [argument for option in LEARNER for argument in ("--set", f"learner.{option}")]
ARGUMENTS += [argument for option in EVALUATION for argument in ("--set", f"evaluation.{option}")]
"""What the command line says for `tiny`, the safeguards left to name."""


def tiny(safeguard="ray-mask", task="pendulum", interactions=INTERACTIONS, seeds=2):
    """A cell of seconds."""
    (cell,) = suites.product([task], [safeguard], ["shac"])
    changes = {
        owner: dict(option.split("=") for option in options)
        for owner, options in (("learner", LEARNER), ("evaluation", EVALUATION))
    }
    return suites.changed(cell, seeds, interactions, "compiled", "float64", changes)


def untimed(result):
    """What must not depend on where a cell runs: configurations, and curves without their seconds."""
    runs = [dataclasses.replace(run, curve=dataclasses.replace(run.curve, seconds=())) for run in result.runs]
    return result.task, result.safeguard, result.learner, result.settings, result.certificate, runs


def result_of(cell):
    """A result of a cell that never ran."""
    return make(cell.task, cell.safeguard, cell.learner, seeds=len(cell.seeds), suite=cell.suite)


def snapshot(done, of=100, seconds=None, mean=-10.0, **changes):
    """Where a run stands after `done` interactions; at 0 it is compiled."""
    counted = Counters(done, 0, 0, 0, 0, done // 2, 0, 0.5 * done, -0.25)
    evaluated = Evaluated(mean, mean + 1, 0.5, 0.25, 2.0, 0, counted, counted)._replace(**changes)
    return Snapshot(done, of, float(done if seconds is None else seconds), evaluated if done else None)
