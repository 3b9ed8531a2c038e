import copy
import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_results import columns, curve, make

from safebench import result, result_file, schema
from safebench.record import build, plain
from safebench.result import Result

GOLDEN = Path(__file__).parent / "golden" / "pendulum" / "ray-mask--shac.json"
VALIDATOR = jsonschema.Draft202012Validator(schema.json_schema())
READERS = "result record schema stats summary plots report tables leaderboard submission reference"


def test_round_trip(tmp_path):
    cell = make(seeds=3)
    path = result_file.cell_path(tmp_path, "pendulum", "ray-mask", "shac")
    result_file.write(cell, path)
    assert result_file.load(path) == cell
    assert path == tmp_path / "pendulum" / "ray-mask--shac.json"
    assert [p.name for p in path.parent.iterdir()] == ["ray-mask--shac.json"]  # no temporary file stays


def test_golden_file():
    """The file of schema version 1 reads and writes back byte for byte: a change needs a new version."""
    loaded = result_file.load(GOLDEN)
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
    seed=st.integers(0, 2**32 - 1),
    name=names,
    config=st.dictionaries(
        st.text(max_size=5), st.integers() | numbers | st.text(max_size=9) | st.booleans()
    ),
    text=st.text(max_size=50).filter(lambda text: text.isprintable()),
    certificate=st.none() | st.just(result.CertificateRecord("0f" * 32, False)),
)
def test_any_result_survives_a_round_trip(
    tmp_path, returns, reference, seed, name, config, text, certificate
):
    steps = range(0, 10 * len(returns), 10)
    points = dataclasses.replace(
        curve(0, points=len(returns)),
        interactions=tuple(steps),
        return_mean=tuple(returns),
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
    result_file.write(cell, path)
    assert result_file.load(path) == cell
    assert VALIDATOR.is_valid(json.loads(path.read_text()))


def test_totals_and_finals_follow_from_the_curve():
    run = make(safeguard="none", seeds=1).runs[0]
    assert run.training.steps == run.curve.training.steps[-1] == 100_000
    assert run.training.violations == run.curve.training.violations[-1] > 0
    assert run.evaluation.steps == sum(run.curve.evaluation.steps)
    assert run.evaluation.violations == sum(run.curve.evaluation.violations)
    assert run.evaluation.correction == pytest.approx(sum(run.curve.evaluation.correction))
    assert run.training.worst_margin == max(m for m in run.curve.training.worst_margin if m is not None)
    assert run.final.return_mean == run.curve.return_mean[-1]
    assert run.final.reference_return == run.curve.reference_return[-1]


def test_no_steps_means_no_margin():
    counted = result.total(columns([0]))
    assert counted.worst_margin is None
    assert counted.steps == 0


def test_non_finite_seeds_are_named():
    good, bad = curve(0), curve(1)
    bad = dataclasses.replace(bad, return_mean=(*bad.return_mean[:-1], None))
    runs = (result.make_run(4, good), result.make_run(7, bad))
    assert result.non_finite_seeds(runs) == (7,)
    assert runs[1].final.interactions_to_95 is None


def test_column_turns_what_is_not_finite_into_none():
    assert result.column([1.5, float("nan"), float("-inf")]) == (1.5, None, None)
    assert result.column([1, 2]) == (1, 2)
    assert all(type(value) is int for value in result.column([1, 2]))


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "A", "a b", "a\n", "-x", "a--b", "ä", "a\0", "a" * 65]
)
def test_names_that_could_escape_a_folder_are_refused(name):
    with pytest.raises(ValueError, match="cannot name a result"):
        result_file.cell_path("out", "pendulum", name, "shac")


def test_write_refuses_what_breaks_the_schema(tmp_path):
    path = tmp_path / "cell.json"
    with pytest.raises(ValueError, match="not written: Out of range float"):
        result_file.write(make(seeds=1, timing=result.Timing(1.0, float("nan"), 1.0)), path)
    cell = make(seeds=1)
    cell = dataclasses.replace(cell, task=dataclasses.replace(cell.task, name="../evil"))
    with pytest.raises(ValueError, match=r"task\.name"):
        result_file.write(cell, path)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "cell.json"
    old = make(seeds=1)
    result_file.write(old, path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        result_file.write(make(seeds=2), path)
    assert result_file.load(path) == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OSError, match="cannot be written") as caught:
        result_file.write(make(seeds=1), blocked / "pendulum" / "cell.json")
    assert "\n" not in str(caught.value)


def test_files_are_readable_by_others(tmp_path):
    result_file.write(make(seeds=1), tmp_path / "cell.json")
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
        "this version reads 1, not 2": changed(schema_version=2),
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
        result_file.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "cell.json"
    with path.open("wb") as file:
        file.truncate(result_file.LARGEST_FILE + 1)  # sparse: takes no space
    with pytest.raises(ValueError, match="more than the"):
        result_file.load(path)


def test_folders_pipes_and_missing_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path, tmp_path / "pipe.json"):
        with pytest.raises(ValueError, match="not a regular file"):
            result_file.load(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        result_file.load(tmp_path / "absent.json")


def test_load_folder_reads_the_good_and_names_the_bad(tmp_path):
    result_file.write(make(seeds=1), tmp_path / "quick" / "pendulum" / "ray-mask--shac.json")
    result_file.write(make(seeds=1), tmp_path / "again" / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "quick" / "pendulum" / "none--shac.json").write_text("{")
    results, problems = result_file.load_folder(tmp_path)
    assert [cell.title for cell in results] == ["pendulum/ray-mask--shac"]
    assert len(problems) == 2
    assert any("same cell" in line for line in problems)
    assert any("not valid JSON" in line for line in problems)
    with pytest.raises(ValueError, match="no such folder"):
        result_file.load_folder(tmp_path / "absent")


def test_the_schema_file_is_up_to_date_and_valid():
    assert schema.FILE.read_text() == schema.text(), "run `python -m safebench.schema`"
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())


def test_the_readme_documents_every_field():
    readme = Path(__file__).parents[1] / "results" / "README.md"
    assert schema.field_table() in readme.read_text(), "run `python -m safebench.schema` and paste its table"


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "results").rglob("*--*.json")), ids=str)
def test_every_committed_result_matches_the_schema(path):
    jsonschema.validate(json.loads(path.read_text()), json.loads(schema.FILE.read_text()))
    result_file.load(path)


def _places(value, place=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from _places(item, (*place, index))
    yield place


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_loader_and_json_schema_agree_on_mutations(data):
    """Whatever one place of a file is replaced by, both accept it or both refuse it."""
    original = json.loads(GOLDEN.read_text())
    places = [place for place in _places(original) if place]
    place = data.draw(st.sampled_from(places))
    value = data.draw(
        st.none()
        | st.booleans()
        | st.integers(-5, 2**33)
        | st.floats(-2, 2)
        | st.text(max_size=5)
        | st.just([])
        | st.just({})
    )
    changed = copy.deepcopy(original)
    target = changed
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    # JSON Schema calls 1.0 an integer and Python's `re` lets "$" match before a final newline: we do not.
    strict = (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and "\n" in value)
    allowed = VALIDATOR.is_valid(changed)
    try:
        build(Result, changed)
    except ValueError:
        assert not allowed or strict
    else:
        assert allowed


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_loading_noise_gives_a_value_error(text):
    with pytest.raises(ValueError):
        result_file.parse(text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_loading_a_file_with_changed_bytes_never_crashes(data):
    text = GOLDEN.read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 40))
    piece = data.draw(st.text(max_size=10))
    message = ""
    try:
        assert isinstance(result_file.parse(text[:start] + piece + text[start + length :]), Result)
    except ValueError as error:
        message = str(error)
    assert "\n" not in message


def test_readers_never_import_jax():
    """Result files, tables, plots and the leaderboard work where jax is not installed."""
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("jax", "jaxlib", "mujoco", "brax", "flax", "optax"):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Refuse())
import importlib
for name in "{READERS}".split():
    importlib.import_module("safebench." + name)
assert not any(name.split(".")[0] == "jax" for name in sys.modules)
try:
    importlib.import_module("safebench.env")
except ImportError as error:
    print("blocked" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"  # the control: something that needs jax is stopped
