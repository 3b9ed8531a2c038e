"""`safebench list`: plug-ins that are installed and cannot be used are rows, and stop nothing else."""

import dataclasses
import importlib.metadata
import io
import itertools
import subprocess
import sys
import time

import pytest
from rich.console import Console

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
    stub = ["2", "1", "240", "proven"], ""
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


def test_a_set_that_is_not_proven_says_why_and_stops_nothing(install, monkeypatch, capsys):
    real = registry.make_task

    def make_task(name, *options):
        task = real("pendulum", *options)
        loose = dataclasses.replace(task.certificate, contraction=0.5)
        return dataclasses.replace(task, certificate=loose) if name == "odd-one" else task

    install("task", "odd-one", "make = synthesise = print\n")
    monkeypatch.setattr(registry, "make_task", make_task)
    lines = shown("task", monkeypatch, capsys).splitlines()
    (row,) = [line for line in lines if "odd-one" in line and "FAILS" in line]
    assert "contraction: the claimed contraction is not reached" in lines[lines.index(row) + 1]
    assert sum("proven" in line for line in lines) == len(registry.names("task")) - 1


@pytest.mark.parametrize("kind", ["tasks", pytest.param(None, marks=pytest.mark.slow)])
def test_all_that_needs_no_proof_comes_first_then_each_verdict_after_its_own_proof(kind, monkeypatch, capsys):
    before = []
    monkeypatch.setenv("COLUMNS", "200")

    def prove(name):
        before.append((name, capsys.readouterr().out))
        return ["2", "1", "240", "proven"], ""

    monkeypatch.setattr(listing, "_task", prove)
    listing.show(kind, console.make())
    names, outputs = zip(*before, strict=True)
    assert list(names) == registry.names("task")
    kinds = list(GROUPS) if kind is None else ["task"]
    for name in [name for kind in kinds for name in registry.names(kind)]:
        assert f" {name} " in outputs[0]
    assert (" full " in outputs[0]) == (kind is None)  # a suite
    assert "proven" not in outputs[0]
    for name, output in zip(names, [*outputs[1:], capsys.readouterr().out], strict=True):
        (line,) = output.strip().splitlines()
        assert line.split() == [name, "2", "1", "240", "proven"]


def test_where_there_is_no_terminal_there_is_text_alone(monkeypatch, capsys):
    output = shown("task", monkeypatch, capsys, width=80)
    assert all(character.isprintable() for line in output.split("\n") for character in line)
    assert max(map(len, output.splitlines())) <= 80


def test_a_terminal_shows_which_set_is_being_proven(monkeypatch):
    seen = []
    monkeypatch.setattr(Console, "status", lambda console, text: Status(seen))
    listing.show("tasks", Console(file=io.StringIO(), width=80, force_terminal=True))
    names = registry.names("task")
    expected = [
        f"{name}: proving its safe set ({done} of {len(names)} done)" for done, name in enumerate(names)
    ]
    assert seen == expected


class Status:
    def __init__(self, seen):
        self.seen = seen

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def update(self, text):
        self.seen.append(str(text))


@pytest.mark.slow
def test_nothing_is_proven_for_a_reader_who_has_gone():
    command = [sys.executable, "-m", "safebench", "list", "tasks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().split() == ["Tasks"]
        process.stdout.close()
        heard = time.monotonic()
        code, said = process.wait(), process.stderr.read()
    assert (code, said) == (141, "")
    assert time.monotonic() - heard < 30  # all proofs take a minute


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_task_and_heading_is_whole_at_every_width(width, monkeypatch, capsys):
    output = shown("task", monkeypatch, capsys, width)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= width
    for word in ("task", "what it is", "states", "actions", "horizon", "safe set"):
        assert word in output
    for name in registry.names("task"):
        # As a row, or as a record of its own: descriptions hold some of the names.
        found = [line for line in output.splitlines() if line.startswith((f" {name} ", f"task: {name}"))]
        assert sum(name in line.split()[:2] for line in found) == 2, found


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
