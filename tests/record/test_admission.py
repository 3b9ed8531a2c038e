"""Which results of a folder are shown: every check, with an honest control."""

import dataclasses
import json

import pytest
from synthetic_results import DIGEST, SMALL, make

from safebench.record import admission, files, result

KNOWN = {"pendulum": frozenset({DIGEST})}


def test_an_honest_result_has_no_fault():
    assert admission.fault(make(**SMALL)) is None
    assert admission.fault(make(**SMALL), KNOWN) is None


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (None, "is missing"),
        (result.CertificateRecord("cd" * 32, True), "cdcdcdcdcdcd... is not known for pendulum"),
        (result.CertificateRecord(DIGEST, False), "was not verified"),
    ],
)
def test_a_certificate_is_held_against_those_known(record, fault):
    cell = make(**SMALL, certificate=record)
    assert fault in admission.fault(cell, KNOWN)
    assert admission.fault(cell) is None
    assert admission.fault(cell, {}) is None  # the task is not known here
    assert admission.unknown_task(cell, {})
    assert not admission.unknown_task(cell, KNOWN)
    assert not admission.unknown_task(cell, None)


def test_a_task_from_a_file_is_unknown_even_under_a_known_name():
    cell = make(**SMALL)
    cell = dataclasses.replace(cell, task=dataclasses.replace(cell.task, source="ef" * 32))
    assert admission.unknown_task(cell, KNOWN)


def test_claims_are_asked_last():
    asked = []

    def claims(cell):
        asked.append(cell)
        return ["too few seeds"]

    assert admission.fault(make(**SMALL), KNOWN, claims) == "too few seeds"
    broken = make(**SMALL, timing=result.Timing(1.0, 30.0, 1.0))
    assert "seconds_per_1000" in admission.fault(broken, KNOWN, claims)
    assert len(asked) == 1


def test_a_number_without_end_is_a_fault_and_no_crash():
    cell = make(**SMALL)
    assert "too large" in admission.fault(dataclasses.replace(cell, interactions=10**400))


def test_of_two_files_of_one_cell_the_sound_one_is_kept(tmp_path):
    sound = make(**SMALL)
    files.write(sound, tmp_path / "b" / "pendulum" / "ray-mask--shac.json")
    copy = tmp_path / "a" / "pendulum" / "ray-mask--shac.json"
    files.write(dataclasses.replace(sound, timing=result.Timing(1.0, 30.0, 1.0)), copy)
    results, left_out = admission.admit(tmp_path)
    assert results == [sound]
    assert [entry.name for entry in left_out] == [str(copy)]
    files.write(sound, copy)
    (entry,) = admission.admit(tmp_path).left_out
    assert "holds the same cell as" in entry.reason


def test_a_file_in_the_wrong_place_is_left_out(tmp_path):
    files.write(make(**SMALL), tmp_path / "pendulum" / "ray-mask--shac.json")
    data = json.loads((tmp_path / "pendulum" / "ray-mask--shac.json").read_text())
    for place in ("quadrotor/ray-mask--shac.json", "pendulum/none--shac.json"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(data))
    results, left_out = admission.admit(tmp_path)
    assert len(results) == 1
    assert {entry.reason for entry in left_out} == {
        "it holds pendulum/ray-mask--shac.json, which its path does not say"
    }
    assert admission.grouped(left_out) == [
        "2 files: it holds pendulum/ray-mask--shac.json, which its path does not say: "
        f"{tmp_path}/pendulum/none--shac.json, {tmp_path}/quadrotor/ray-mask--shac.json"
    ]


def test_the_working_folder_counts_where_a_path_does_not_say(tmp_path, monkeypatch):
    files.write(make(**SMALL), tmp_path / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "pendulum" / "deep").mkdir()
    for place, folder in ((tmp_path / "pendulum", "."), (tmp_path / "pendulum" / "deep", "..")):
        monkeypatch.chdir(place)
        assert len(admission.admit(folder).results) == 1
