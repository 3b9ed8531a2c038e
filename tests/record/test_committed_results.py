"""Every result in results/ could be submitted: whole, consistent, and the standard one if it says so."""

import dataclasses
from pathlib import Path

import pytest

from safebench.record import files, submission
from safebench.runs import reproduce

RESULTS = Path(__file__).parents[2] / "results"
COMMITTED = sorted(RESULTS.glob("*/*/*.json"))


def test_there_are_committed_results():
    assert {path.parts[-3] for path in COMMITTED} >= {"quick"}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:]))
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
