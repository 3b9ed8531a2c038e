"""Result files: what is written comes back, what is damaged or strange is refused with one line."""

import dataclasses
import json
import os
import stat
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_results import curve, make

from safebench.record import files, result, schema, submission
from safebench.record.result import Result
from safebench.record.strict_json import plain

FIRST = Path(__file__).parent / "golden" / "pendulum" / "ray-mask--shac.json"
SECOND = Path(__file__).parent / "golden" / "version-2" / "pendulum" / "ray-mask--shac.json"
THIRD = Path(__file__).parent / "golden" / "version-3" / "pendulum" / "ray-mask--shac.json"
FOURTH = Path(__file__).parent / "golden" / "version-4" / "pendulum" / "ray-mask--shac.json"
FIFTH = Path(__file__).parent / "golden" / "version-5" / "pendulum" / "ray-mask--shac.json"
GOLDEN = Path(__file__).parent / "golden" / "version-6" / "pendulum" / "ray-mask--shac.json"
VALIDATOR = jsonschema.Draft202012Validator(schema.json_schema())


def test_round_trip(tmp_path):
    cell = make(seeds=3)
    path = files.cell_path(tmp_path, "pendulum", "ray-mask", "shac")
    files.write(cell, path)
    assert files.load(path) == cell
    assert path == tmp_path / "pendulum" / "ray-mask--shac.json"
    assert [p.name for p in path.parent.iterdir()] == ["ray-mask--shac.json"]  # no temporary file stays


def without_what_is_new(record, like):
    if isinstance(like, dict):
        return {key: without_what_is_new(record[key], like[key]) for key in like}
    if isinstance(like, list):
        return [without_what_is_new(*pair) for pair in zip(record, like, strict=True)]
    return record


@pytest.mark.parametrize("path", [FIRST, SECOND], ids=["version 1", "version 2"])
def test_a_file_of_an_older_version_still_reads(path):
    """What it does not say is not known; all else is as in the file of the fifth version."""
    old, new = files.load(path), plain(files.load(FIFTH))
    assert list(submission.consistency(old)) == []
    assert (old.counted.switches, old.has_goal) == (None, False)
    assert old.runs[0].final.success is old.runs[0].final.time_to_goal is old.runs[0].final.violated is None
    text = json.loads(path.read_text())
    assert without_what_is_new(new, text) == {**text, "schema_version": 5}
    assert new != {**text, "schema_version": 5}  # the control: something is new


def test_a_file_of_the_fifth_version_does_not_say_how_compiled_physics_compared():
    old, new = files.load(FIFTH), files.load(GOLDEN)
    assert (old.equality, new.equality) == (None, result.Equality(40, 0.0078125, 0.015625))
    assert old == dataclasses.replace(new, schema_version=5, physics="mjx", equality=None)
    for cell in (old, new, dataclasses.replace(old, physics="compiled")):
        assert list(submission.consistency(cell)) == []


def test_a_file_of_the_fourth_version_does_not_say_how_long_evaluating_took():
    old, new = files.load(FOURTH), files.load(FIFTH)
    assert (old.timing.evaluation_seconds, new.timing.evaluation_seconds) == (None, 1.5)
    untold = dataclasses.replace(new.timing, evaluation_seconds=None)
    assert old == dataclasses.replace(new, schema_version=4, timing=untold)
    assert list(submission.consistency(old)) == []


def test_a_file_of_the_third_version_knows_of_no_options():
    old, new = files.load(THIRD), files.load(FOURTH)
    assert old == dataclasses.replace(new, schema_version=3)
    assert old.task.options is new.task.options is None


def test_what_a_file_of_the_first_version_does_not_say_is_not_known():
    old = files.load(FIRST)
    assert (old.schema_version, old.budget, old.evaluation.points, old.task.source) == (1, None, None, None)
    assert old.skipped is None
    assert old.failed_seeds == ()


def test_golden_file():
    """The file of schema version 6 reads and writes back byte for byte: a change needs a new version."""
    loaded = files.load(GOLDEN)
    assert loaded.runs[1].final.success == 0.96875
    assert loaded.counted.switches == 310 + 275 + 700 + 650 + 520 + 710 + 600 + 555
    assert loaded.title == "pendulum/ray-mask--shac"
    assert loaded.seeds == (0, 1)
    assert loaded.runs[1].curve.training.steps == (0, 500, 1000)
    written = json.dumps(plain(loaded), separators=(",", ":")) + "\n"
    assert written == GOLDEN.read_text()


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


names = st.from_regex(r"[a-z0-9][a-z0-9.+-]{0,20}", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    returns=st.lists(numbers, min_size=1, max_size=5),
    reference=st.booleans(),
    goal=st.booleans(),
    shares=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    name=names,
    config=st.dictionaries(
        st.text(max_size=5), st.integers() | numbers | st.text(max_size=9) | st.booleans()
    ),
    text=st.text(max_size=50).filter(lambda text: text.isprintable()),
    certificate=st.none() | st.just(result.CertificateRecord("0f" * 32, False)),
)
@pytest.mark.slow
def test_any_result_survives_a_round_trip(
    tmp_path, returns, reference, goal, shares, seed, name, config, text, certificate
):
    steps = range(0, 10 * len(returns), 10)
    points = dataclasses.replace(
        curve(0, points=len(returns)),
        interactions=tuple(steps),
        return_mean=tuple(returns),
        success=tuple(shares[: len(returns)]) if goal else None,
        time_to_goal=tuple(share or None for share in shares[: len(returns)]) if goal else None,
        reference_return=tuple(returns[::-1]) if reference else None,
        loss=tuple(returns),
    )
    cell = make(seeds=1)
    cell = dataclasses.replace(
        cell,
        runs=(result.make_run(seed, points),),
        task=dataclasses.replace(cell.task, name=name),
        learner=dataclasses.replace(cell.learner, config=config),
        provenance=dataclasses.replace(cell.provenance, command=text),
        certificate=certificate,
    )
    path = tmp_path / "cell.json"
    files.write(cell, path)
    assert files.load(path) == cell
    assert VALIDATOR.is_valid(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "A", "a b", "a\n", "-x", "a--b", "ä", "a\0", "a" * 65]
)
def test_names_that_could_escape_a_folder_are_refused(name):
    with pytest.raises(ValueError, match="cannot name a result"):
        files.cell_path("out", "pendulum", name, "shac")


def test_write_refuses_what_breaks_the_schema(tmp_path):
    path = tmp_path / "cell.json"
    with pytest.raises(ValueError, match="not written: Out of range float"):
        files.write(make(seeds=1, timing=result.Timing(1.0, float("nan"), 1.0)), path)
    cell = make(seeds=1)
    cell = dataclasses.replace(cell, task=dataclasses.replace(cell.task, name="../evil"))
    with pytest.raises(ValueError, match=r"task\.name"):
        files.write(cell, path)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "cell.json"
    old = make(seeds=1)
    files.write(old, path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        files.write(make(seeds=2), path)
    assert files.load(path) == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OSError, match="cannot be written") as caught:
        files.write(make(seeds=1), blocked / "pendulum" / "cell.json")
    assert "\n" not in str(caught.value)


def test_files_are_readable_by_others(tmp_path):
    before = os.umask(0o022)
    try:
        files.write(make(seeds=1), tmp_path / "cell.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cell.json").stat().st_mode) == 0o644


def damaged(text: str) -> dict[str, bytes]:
    """Files that are not results."""
    data = json.loads(text)

    def changed(**changes):
        return json.dumps({**data, **changes}).encode()

    return {
        "at character": text[: len(text) // 2].encode(),
        "truncated": b"",
        "NaN is not allowed": text.replace("-0.25", "NaN", 1).encode(),
        "-Infinity is not allowed": text.replace("-0.25", "-Infinity", 1).encode(),
        "too large": text.replace("-0.25", "1e999", 1).encode(),
        "UTF-8": text.encode("utf-16"),
        "must be an object": b"[1, 2]",
        "not null": b"null",
        "this version reads 1 to 6, not 7": changed(schema_version=7),
        "schema_version: must be an integer": changed(schema_version="1"),
        "suite: must be a string": changed(suite=3),
        "interactions: must be an integer, not a number": changed(interactions=1.0),
        "interactions: must be an integer, not true or false": changed(interactions=True),
        "interactions: must be at least 1": changed(interactions=0),
        "runs: must be a list": changed(runs={}),
        "runs: has 0 entries": changed(runs=[]),
        r"runs\[0\]: must be an object": changed(runs=[3]),
        "surprise.: is not a field": changed(surprise=1),
        "task: is missing": json.dumps({k: v for k, v in data.items() if k != "task"}).encode(),
        "precision: 'float16'": changed(precision="float16"),
        "sha256": changed(certificate={"sha256": "xyz", "verified": True}),
        "occurs twice": text.replace('{"schema_version"', '{"suite":"a","schema_version"').encode(),
        "too deeply": b"[" * 200_000,
        "4300 digits": text.replace('"interactions":1000,', '"interactions":' + "9" * 5000 + ",").encode(),
        "not valid JSON": text.encode() + b"{}",
    }


@pytest.mark.parametrize("message", damaged(GOLDEN.read_text()) if GOLDEN.exists() else [])
def test_a_damaged_file_is_one_clear_line(tmp_path, message):
    path = tmp_path / "cell.json"
    path.write_bytes(damaged(GOLDEN.read_text())[message])
    with pytest.raises(ValueError, match=message) as caught:
        files.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250


OTHER_KINDS = {
    "byte order mark .BOM.: save it as UTF-8 without one": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "is UTF-16 or UTF-32": "{}".encode("utf-32"),
    "it is empty; is it truncated": b" \n",
    "NUL bytes, the first at byte 2": b"{}\0\0",
    "something after its end .at character 2": b"{}{}",
    "something after its end .at character 3": b"{}\n# and a comment",
    "not valid JSON but HTML": b"\n<!DOCTYPE html><p>404</p>",
    "gzip": b"\x1f\x8b\x08\x00",
    "zip archive": b"PK\x03\x04",
}


@pytest.mark.parametrize("message", OTHER_KINDS)
def test_what_a_file_is_instead_is_said(tmp_path, message):
    path = tmp_path / "none--shac.json"
    path.write_bytes(OTHER_KINDS[message])
    with pytest.raises(ValueError, match=message) as caught:
        files.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert ("truncated" in str(caught.value)) == ("truncated" in message)
    assert files.load_folder(tmp_path)[1] == [str(caught.value)]


def test_truncated_is_said_of_every_text_that_ends_too_early_and_of_no_other():
    text = json.dumps({"a": [1.5, -2e-7, True, None, "x\u00e9 y"], "b": {"c": False}})
    for end in range(len(text)):
        with pytest.raises(ValueError, match="is it truncated") as caught:
            files.parse(text[:end])
        assert "\n" not in str(caught.value)
    for wrong in (
        "{a: 1}",
        '{"a": 1,, "b": 2}',
        '{"a" 1}',
        '["a\nb"]',
        "[1, 2}",
        '{"a": tru, "b": 1}',
        "{'a': 1}",
    ):
        with pytest.raises(ValueError, match="not valid JSON") as caught:
            files.parse(wrong)
        assert "truncated" not in str(caught.value), wrong


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "cell.json"
    with path.open("wb") as file:
        file.truncate(files.LARGEST_FILE + 1)  # sparse: takes no space
    with pytest.raises(ValueError, match="more than the"):
        files.load(path)


def test_folders_pipes_and_missing_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ValueError, match="is a folder"):
        files.load(tmp_path)
    for path in (tmp_path, tmp_path / "pipe.json"):
        with pytest.raises(ValueError, match="not a regular file"):
            files.load(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        files.load(tmp_path / "absent.json")


def test_load_folder_reads_the_good_and_names_the_bad(tmp_path):
    files.write(make(seeds=1), tmp_path / "quick" / "pendulum" / "ray-mask--shac.json")
    files.write(make(seeds=1), tmp_path / "again" / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "quick" / "pendulum" / "none--shac.json").write_text("{")
    results, problems = files.load_folder(tmp_path)
    assert [cell.title for cell in results] == ["pendulum/ray-mask--shac"]
    assert len(problems) == 2
    assert any("same cell" in line for line in problems)
    assert any("not valid JSON" in line for line in problems)
    with pytest.raises(ValueError, match="no such folder"):
        files.load_folder(tmp_path / "absent")


def test_files_set_aside_and_folders_in_their_place_are_named(tmp_path):
    files.write(make(seeds=1), tmp_path / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "pendulum" / "none--shac.json.damaged").write_text("{")
    (tmp_path / "pendulum" / "none--ppo.json").mkdir()
    (tmp_path / "leaderboard.json").write_text("{}")
    results, problems = files.load_folder(tmp_path)
    assert len(results) == 1
    assert [line.split(": ")[0] for line in problems] == [
        str(tmp_path / "pendulum" / name) for name in ("none--ppo.json", "none--shac.json.damaged")
    ]
    assert "set aside" in problems[1]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert files.load_folder(tmp_path)[1] == [
        f"{tmp_path / 'closed'}: folder cannot be read: Permission denied"
    ]


def test_a_file_in_place_of_a_folder_is_called_one(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match="is a file, not a folder"):
        files.load_folder(tmp_path / "x.json")


def test_a_file_that_a_killed_run_left_unfinished_is_no_result(tmp_path):
    files.write(make(seeds=1), tmp_path / "pendulum" / "ray-mask--shac.json")
    leftover = tmp_path / "pendulum" / ".ray-mask--shac.json.abcdefgh.part"
    leftover.mkdir()
    (leftover / "ray-mask--shac.json").write_text("{")
    results, problems = files.load_folder(tmp_path)
    assert (len(results), problems) == (1, [])
    assert len(files.load_folder(tmp_path / "pendulum")[0]) == 1


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_loading_noise_gives_a_value_error(text):
    with pytest.raises(ValueError):
        files.parse(text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_loading_a_file_with_changed_bytes_never_crashes(data):
    text = GOLDEN.read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 40))
    piece = data.draw(st.text(max_size=10))
    message = ""
    try:
        assert isinstance(files.parse(text[:start] + piece + text[start + length :]), Result)
    except ValueError as error:
        message = str(error)
    assert "\n" not in message
