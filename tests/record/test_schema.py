"""The JSON Schema of result files: up to date, documented, and as strict as the loader."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safebench.record import files, schema
from safebench.record.result import Result
from safebench.record.strict_json import build

GOLDEN = Path(__file__).parent / "golden" / "version-5" / "pendulum" / "ray-mask--shac.json"
VALIDATOR = jsonschema.Draft202012Validator(schema.json_schema())


def test_the_schema_file_is_up_to_date_and_valid():
    assert schema.FILE.read_text() == schema.text(), "run `python -m safebench.commands.schema`"
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())


def test_the_readme_documents_every_field():
    readme = Path(__file__).parents[2] / "results" / "README.md"
    assert schema.field_table() in readme.read_text(), (
        "run `python -m safebench.commands.schema` and paste its table"
    )


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "results").rglob("*--*.json")), ids=str)
def test_every_committed_result_matches_the_schema(path):
    VALIDATOR.validate(json.loads(path.read_text()))
    files.load(path)


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
