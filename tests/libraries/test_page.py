"""The examples of docs/adapters.md, all of them, in order, in one program."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
NEEDS = re.compile(r"<!-- needs: ([\w-]+) -->\n```python\n")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_are_true():
    text = PAGE.read_text()
    assert NEEDS.findall(text) == ["stable-baselines3", "torchrl", "playground"]
    blocks = BLOCK.findall(text)
    assert len(blocks) == 8
    program = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), program)


def test_a_wrong_example_is_found():
    """The control."""
    (first, *_) = BLOCK.findall(PAGE.read_text())
    wrong = first.replace("-none-v1", "-ray-mask-v1")
    with pytest.raises(AssertionError):
        exec(compile(wrong, str(PAGE), "exec"), {"__name__": "page"})
