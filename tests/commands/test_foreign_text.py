"""Text from outside is never read as markup: not of arguments, files, results, plug-ins or errors."""

import ast
import re
from pathlib import Path

import pytest
import synthetic_results
from pretended import CELLS, pretend
from rich.console import Console

from safebench.commands import attack, console, listing, run
from safebench.env.attack import Record
from safebench.record import files
from safebench.runs import live
from safebench.runs.events import Event

ROOT = Path(__file__).parents[2]
CLOSING, STYLED = "no[/x]such", "[red]such[/red]"
CELL = ("-t", "pendulum", "-g", "none", "-l", "shac")

COMMANDS = [
    ("run", "-t", "{}", "-g", "none", "-l", "shac"),
    ("run", "-t", "pendulum", "-g", "{}", "-l", "shac"),
    ("run", "-t", "pendulum", "-g", "none", "-l", "{}"),
    ("run", "--suite", "{}"),
    ("run", *CELL, "--set", "{}=1"),
    ("run", *CELL, "--set", "learner.{}=1"),
    ("run", *CELL, "--set", "learner.window={}"),
    ("run", *CELL, "--out", "/proc/{}"),
    ("run", *CELL, "--on", "{}"),
    ("run", *CELL, "--track", "{}"),
    ("run", *CELL, "--seeds", "{}"),
    ("run", *CELL, "--physics", "{}"),
    ("run", *CELL, "--{}"),
    ("list", "{}"),
    ("certify", "{}"),
    ("certify", "./{}.py"),
    ("certify", "pendulum", "--synthesise", "--save", "/proc/{}.npz"),
    ("report", "{}"),
    ("report", "results/quick", "--paper", "{}"),
    ("leaderboard", "{}"),
    ("bench", "{}"),
    ("bench", "filter", "-t", "{}"),
    ("bench", "filter", "-t", "pendulum", "-g", "{}"),
    ("bench", "filter", "-t", "pendulum", "-g", "none", "--out", "/proc/{}.json"),
    ("sweep", *CELL, "--over", "{}"),
    ("sweep", *CELL, "--over", "learner.window={},4"),
    ("sweep", *CELL, "--over", "learner.window=4", "--out", "/proc/{}"),
    ("play", "{}.json"),
    ("play", "-t", "{}", "-g", "none"),
    ("play", "-t", "pendulum", "-g", "{}"),
    ("play", "-t", "pendulum", "-g", "none", "--out", "{}.xyz"),
    ("draw", "-t", "{}"),
    ("draw", "-t", "pendulum", "-g", "{}"),
    ("draw", "-t", "pendulum", "--out", "{}.xyz"),
    ("draw", "-t", "pendulum", "--out", "/proc/{}.png"),
    ("{}",),
]


@pytest.mark.parametrize("text", [CLOSING, STYLED])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_argument_comes_back_as_it_was_given(command, text, safebench, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, output, error = safebench(*(word.format(text) for word in command))
    assert code == 2, output + error
    assert text.split("/")[0] in error
    assert text in error or text.rpartition("/")[2] in error  # of a path, a part
    assert error.startswith("Error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", [CLOSING, STYLED])
def test_verify_names_a_file_as_it_is_called(text, tmp_path, safebench):
    path = tmp_path / text.replace("/", "|") / "pendulum" / "none--shac.json"
    files.write(synthetic_results.make(safeguard="none", suite="custom"), path)
    path.write_text(path.read_text().replace("Linux x86_64", "[/platform]")[:-30])
    code, output, error = safebench("verify", str(path))
    assert code == 1, error
    assert f"refused {path}" in output


def test_what_cells_and_folders_say_is_printed_as_it_is(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "no[|x]such [red]"

    def place(cells, handle):
        pretend([])(dict.fromkeys(CELLS[1:]), handle)
        handle(Event(CELLS[0], "failed", problem="it said [/a] and [red]b[/red]", details="-"))

    monkeypatch.setattr(run, "place_of", lambda on, workers: place)
    assert not run.run_cells(CELLS, folder, False, "here", None, [], Console(width=300))
    output = capsys.readouterr().out
    assert "failed pendulum/ray-mask--shac: it said [/a] and [red]b[/red]" in output
    assert f"  {folder}/learning_curves" in output


@pytest.mark.parametrize("terminal", [True, False])
def test_the_live_table_prints_what_is_said_of_a_cell(terminal, capsys):
    seen = Console(width=100, force_terminal=terminal)
    with live.table(CELLS, set(), seen) as show:
        show(Event(CELLS[0], "failed", problem="it said [/a]", details="-"))
    output = capsys.readouterr().out
    assert "failed" in output
    assert terminal or "it said [/a]" in output


def test_tables_print_names_as_they_are(monkeypatch, capsys):
    monkeypatch.setattr(listing.registry, "broken", lambda kind: {"[/bad]": "/x/[red].py: said [/no]"})
    listing.show("learners", console.make())
    record = Record("[/task]", "ab" * 32, "[red]x", False, "mjx", 10, 0, 0, 0, 0, 0.0, None, 1.0)
    console.make().print(attack.table([record]))
    output = capsys.readouterr().out
    for text in ("[/bad]", "/x/[red].py: said [/no]", "[/task]", "[red]x"):
        assert text in output


def calls(name):
    """Every call of something so called in the package: (where, call)."""
    for path in sorted((ROOT / "safebench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                yield f"{path}:{node.lineno}", node


def given(call, keyword):
    return [ast.unparse(each.value) for each in call.keywords if each.arg == keyword]


@pytest.mark.slow
def test_no_console_reads_markup():
    """Consoles and columns parse it unless they are told not to; a status and a spinner do even then."""
    consoles = list(calls("Console"))
    assert consoles
    for where, call in consoles:
        assert given(call, "markup") == given(call, "emoji") == given(call, "highlight") == ["False"], where
    for where, call in calls("TextColumn"):
        assert given(call, "markup") == ["False"], where
    for where, call in calls("Progress"):
        assert call.args or given(call, "console") == [], f"{where}: its usual columns read markup"
    for where, call in calls("status"):
        assert ast.unparse(call.args[0]).startswith("Text("), where
    for name in ("from_markup", "Spinner", "escape_markup", "render_str"):
        assert not list(calls(name))


MARKUP = re.compile(r"\[/?(bold|dim|italic|red|green|yellow|blue|cyan|magenta|white|black)[a-z ]*\]")


def test_no_string_of_ours_holds_markup():
    """It would be printed as it stands."""
    assert MARKUP.search("[red]Error:[/red]")
    for path in sorted((ROOT / "safebench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not MARKUP.search(node.value), f"{path}:{node.lineno}: {node.value!r}"
