"""`safebench list`: plug-ins that are installed and cannot be used are rows, and stop nothing else."""

import importlib.metadata
import itertools

import pytest

from safebench import registry
from safebench.commands import console, listing

GROUPS = registry.GROUPS
BODIES = {
    "syntax": "def make(:\n",
    "import": "import a_module_that_nobody_has\n",
    "exit": "import sys\nsys.exit('[/no] more')\n",
    "attribute": "answer = 42\n",
    "raises": "raise RuntimeError('said [/no]')\n",
}
SAID = {
    "syntax": "SyntaxError",
    "import": "a_module_that_nobody_has",
    "exit": "sys.exit('[/no] more')",
    "attribute": "defines no",
    "raises": "said [/no]",
}
NUMBERS = itertools.count()
BUILT_IN = {"task": "pendulum", "safeguard": "ray-mask", "learner": "shac"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Our own tasks take seconds to prove, which is tested elsewhere."""
    real = listing._task
    stub = ["2", "1", "240", "proven", "what it is"]
    monkeypatch.setattr(listing, "_task", lambda name: real(name) if name == "odd-one" else stub)


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Register modules under entry points: install(kind, name, body)."""
    points = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point for point in points if point.group == group]
    )

    def call(kind, name, body):
        module = f"installed_{next(NUMBERS)}_{kind}"
        (tmp_path / f"{module}.py").write_text(body)
        points.append(importlib.metadata.EntryPoint(name, module, GROUPS[kind]))
        return module

    return call


def shown(kind, monkeypatch, capsys, width=200):
    monkeypatch.setenv("COLUMNS", str(width))
    listing.show(f"{kind}s", console.make())
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("fault", BODIES)
def test_a_broken_entry_point_is_one_row_with_its_cause(kind, fault, install, monkeypatch, capsys):
    before = shown(kind, monkeypatch, capsys)
    assert "broken" not in before
    module = install(kind, "odd-one", BODIES[fault])
    lines = shown(kind, monkeypatch, capsys).splitlines()
    (row,) = [line for line in lines if "odd-one" in line and "broken" in line]
    assert row.split()[0] == "odd-one"
    rest = " ".join(" ".join(lines[lines.index(row) :]).split())
    assert SAID[fault] in rest.replace("- ", "-") or SAID[fault].replace(" ", "") in rest.replace(" ", "")
    assert module in rest.replace(" ", "")
    assert any(BUILT_IN[kind] in line for line in lines)


@pytest.mark.parametrize("kind", GROUPS)
def test_names_that_are_taken_twice_are_rows_and_the_built_in_stays(kind, install, monkeypatch, capsys):
    install(kind, BUILT_IN[kind], "")
    install(kind, "twins", "")
    install(kind, "twins", "")
    output = shown(kind, monkeypatch, capsys)
    assert output.count("broken") == 2
    assert "two plug-ins are the" in " ".join(output.split())
    assert registry.find(kind, BUILT_IN[kind]).module.__name__.startswith("safebench.")


def test_a_task_that_cannot_be_made_is_a_row(install, monkeypatch, capsys):
    install("task", "odd-one", "def make(physics='mjx'):\n    return 1 / 0\nsynthesise = make\n")
    lines = shown("task", monkeypatch, capsys).splitlines()
    (row,) = [line for line in lines if "odd-one" in line and "FAILS" in line]
    assert "ZeroDivisionError" in " ".join(lines[lines.index(row) :])
    assert sum("proven" in line for line in lines) == len(registry.names("task")) - 1


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("kind", ["safeguards", "learners", pytest.param("suites", marks=pytest.mark.slow)])
def test_every_name_and_heading_is_whole_at_every_width(kind, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    listing.show(kind, console.make())
    output = capsys.readouterr().out
    assert "…" not in output
    assert "..." not in output
    assert max(map(len, output.splitlines())) <= width
    makers = {
        "safeguards": [listing.safeguards, listing.preset_table],
        "learners": [listing.learners],
        "suites": [listing.suite_table],
    }
    for make in makers[kind]:
        table = make()
        for column in table.columns:
            assert str(column.header) in output
        for name in table.columns[0].cells:
            assert str(name) in output
