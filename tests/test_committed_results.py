"""Every result in results/ could be submitted: whole, consistent, and the standard one if it says so."""

from pathlib import Path

import pytest

from safebench import result_file, standards, submission

RESULTS = Path(__file__).parents[1] / "results"
COMMITTED = sorted(RESULTS.glob("*/*/*.json"))


def test_there_are_committed_results():
    assert {path.parts[-3] for path in COMMITTED} >= {"quick"}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_committed_result_can_be_submitted(path):
    found = result_file.load(path)
    assert submission.check(path, standards.standard_of if found.settings.standard else None) == []
    assert found.provenance.dirty is False
    assert found.learner == standards.standard_of(found).learner, "run again: the tuned settings have changed"
