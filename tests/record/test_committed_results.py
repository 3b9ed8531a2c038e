"""Every result in results/ could be submitted: whole, consistent, and the standard one if it says so."""

import dataclasses
import functools
from pathlib import Path

import pytest

from safebench import registry
from safebench.record import files, submission
from safebench.runs import reproduce

RESULTS = Path(__file__).parents[2] / "results"
COMMITTED = sorted(RESULTS.glob("*/*/*--*.json"))


def some_slow(paths):
    """The first of every suite and learner now, the others in the slow suite."""
    first = {(path.parts[-3], path.stem.partition("--")[2]): path for path in reversed(paths)}.values()
    return [path if path in first else pytest.param(path, marks=pytest.mark.slow) for path in paths]


def test_there_are_committed_results():
    assert {path.parts[-3] for path in COMMITTED} >= {"quick"}


@pytest.fixture(scope="module")
def tasks_built_once():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "make_task", functools.cache(registry.make_task))
        yield


@pytest.mark.usefixtures("tasks_built_once")
@pytest.mark.parametrize("path", some_slow(COMMITTED), ids=lambda path: "/".join(path.parts[-3:]))
def test_a_committed_result_can_be_submitted(path):
    found = files.load(path)
    standard = reproduce.standard_of(found)
    assert submission.check(path, (lambda _: standard) if found.settings.standard else None) == []
    assert found.provenance.dirty is False
    recorded, installed = (
        dataclasses.replace(learner, config=submission.switched_on(learner.config))
        for learner in (found.learner, standard.learner)
    )
    assert recorded == installed, "run again: the tuned settings have changed"
