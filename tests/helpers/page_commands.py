"""The commands of the documentation: read by the real command line, and run, the costly ones made small."""

import dataclasses
import glob
import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import small_cells
import typer
from pages import ROOT, Command

from safebench import cli, registry
from safebench.commands import ending
from safebench.commands.bench_parts import PARTS
from safebench.commands.bench_physics import CHAIN
from safebench.commands.choice import Choice, to_run
from safebench.commands.run import place_of
from safebench.runs import presets, suites, sweep, tuning
from safebench.runs.cell import Cell
from safebench.runs.track import OPENERS

GROUP = typer.main.get_command(cli.app)
NOT_RUN = {
    "safebench bench( .*)?": "minutes of measuring; tests/commands/test_bench.py runs every kind, smaller",
    "safebench certify": "all tasks at once, minutes; the tests prove each",
    "safebench run --suite full --on ray:auto": "needs a Ray cluster; tests/runs/test_cluster.py starts one",
    "safebench run --suite quick --track tensorboard": "needs tensorboardX",
    "python docs/examples/(adapters_speed|policy_or_environment).py.*": "minutes of measuring and training",
    "safebench sweep .*--draw 24.*": "48 trainings; tests/commands/test_tune.py runs fewer",
    "safebench verify submission/.*": "what the tests train is made small, and so refused as not standard",
}
"""Commands (regular expressions) that are only read, and why."""
SET_UP = ("make", "pip", "git", "cd")
"""Programs that make the place where the others run: targets of make and extras of pip are looked up."""
STANDS_FOR_A_FILE = {"task": "pendulum", "safeguard": "ray-mask", "learner": "shac"}
PLACEHOLDER = re.compile(r"(\.\.\.|…|<.*>|[A-Z_]{3,}(\.\w+)?)")
"""What stands in a sentence for something that the reader knows."""
ATTACKED_STEPS = 4096
PLAYED_STEPS = 6


class Parsed(NamedTuple):
    """A `safebench` command line: its name, its arguments, and their values as the parser reads them."""

    name: str
    arguments: list[str]
    values: dict[str, Any]


def words(command: Command) -> list[str]:
    """The words of a command, without its comment, variables before it and what comes after a pipe.

    Raises:
        ValueError: for quotes that do not close.
    """
    found = shlex.split(command.text, comments=True)
    found = list(itertools.dropwhile(lambda word: re.fullmatch(r"[A-Z_]+=.*", word), found))
    return list(itertools.takewhile(lambda word: word not in ("|", ">", "&&"), found))


def only_read(command: Command) -> bool:
    """Whether a command is read, but not run."""
    typed = words(command)
    return typed[0] in SET_UP or any(re.fullmatch(text, " ".join(typed)) for text in NOT_RUN)


def read(command: Command) -> None:
    """Check a command without running it.

    Raises:
        ValueError, LookupError, click's errors: for what the command itself would refuse, such as unknown
            options, names and settings; for an unknown target or extra, or a missing program.
    """
    program, *rest = words(command)
    if program == "safebench":
        sketched = any(PLACEHOLDER.fullmatch(word) for word in rest) or len(rest) == 1
        _check_sketch(rest) if sketched and not command.whole else check(parse(rest))
    elif program == "make":
        if not command.whole and any(PLACEHOLDER.fullmatch(word) for word in rest):
            return
        dry = subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, text=True, check=False)
        if dry.returncode:
            raise ValueError(dry.stderr.strip())
    elif program == "pip":
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        _check_names(
            "extra", re.findall(r"[\w-]+", " ".join(re.findall(r"\[(.*?)\]", " ".join(rest)))), known
        )
    elif program == "python":
        if not rest or not (ROOT / rest[0]).is_file():
            raise ValueError("no such program")
    elif program not in SET_UP and not only_read(command):
        raise ValueError("a command that the tests do not know; NOT_RUN says which are not run, and why")


def parse(arguments: Sequence[str]) -> Parsed:
    """A command line (without `safebench`), read by the parser that users have.

    Raises:
        click.ClickException: as the command line does.
    """
    name, *rest = [word for word in arguments if word != ending.DEBUG]
    _check_names("command", [name], GROUP.commands)
    if "--help" in rest:
        return Parsed(name, rest, {})
    with GROUP.commands[name].make_context(name, list(rest)) as context:
        return Parsed(name, rest, dict(context.params))


def check(parsed: Parsed) -> None:
    """Names and settings of a command line.

    Raises:
        ValueError, LookupError: in the words of the real command.
    """
    values = {option: _registered(option, value) for option, value in parsed.values.items()}
    if parsed.name in ("run", "sweep"):
        options = ("task", "safeguard", "learner", "seeds", "interactions", "physics", "precision")
        choice = Choice(*(values[option] for option in options), values["assign"] or ())
        if values.get("draw"):
            choice = dataclasses.replace(choice, safeguards=choice.safeguards or list(tuning.SAFEGUARDS))
        for cell in [
            found for base in to_run(choice, values.get("suite")) for found in _combined(base, values)
        ]:
            if cell.task_changes or cell.safeguard_changes or cell.learner_changes:
                small_cells.check(cell)
        place_of(values.get("on", "here"), values["workers"])
        _check_names("tracker", values.get("track") or (), OPENERS)
    if parsed.name == "bench":
        _check_names("benchmark", values["what"] or (), PARTS)
    for kind in ("task", "safeguard", "learner"):
        given = values.get(kind) or ()
        for name in [given] if isinstance(given, str) else given:
            if name == CHAIN and parsed.name == "bench":
                continue
            if kind == "safeguard":
                presets.resolve(name)
            else:
                registry.find(kind, name)


def _combined(base: Cell, values: Mapping[str, Any]) -> Iterable[Cell]:
    """The cell with every combination of settings that a sweep asks for; itself where there is none."""
    if values.get("draw"):
        return sweep.cells(base, tuning.drawn(base.learner, base.task, values["draw"])).values()
    if values.get("over"):
        return sweep.cells(base, sweep.every(sweep.parse(values["over"]))).values()
    return [base]


def _registered(option: str, value: Any) -> Any:
    """Names as they are; a plug-in's file, which need not be there to be read of, replaced by one that is."""
    if isinstance(value, list):
        return [_registered(option, entry) for entry in value]
    is_file = option in STANDS_FOR_A_FILE and isinstance(value, str) and value.endswith(".py")
    return STANDS_FOR_A_FILE[option] if is_file else value


def _check_names(what: str, names: Sequence[str], known: Any) -> None:
    for name in names:
        if name not in known:
            raise LookupError(registry.unknown(what, name, list(known)))


def _check_sketch(rest: Sequence[str]) -> None:
    """A command with something left out: that there is such a command, and such options."""
    name, *others = rest
    if PLACEHOLDER.fullmatch(name):
        return
    _check_names("command", [name], GROUP.commands)
    options = {flag for option in GROUP.commands[name].params for flag in option.opts}
    _check_names("option", [word.split("=")[0] for word in others if word.startswith("-")], options)


def cheap(command: Command) -> bool:
    """Whether a command takes a second or two as it is."""
    program, *rest = words(command)
    if program != "safebench":
        return False
    name, _, values = parse(rest)
    if name == "certify":  # the others are enclosed over cells, or have scenes to make
        return values["task"] == ["pendulum"] and not (values["attack"] or values["synthesise"])
    if name == "new":
        return values["kind"] not in ("task", "package")  # these search a safe set
    if name == "list":
        return values["kind"] in ("safeguards", "learners", "suites")
    if name in ("report", "leaderboard"):
        return values["folder"].parts[0] == "results"
    return name == "verify" and values["rerun"] is None and values["files"][0].parts[0] == "results"


def reduced(arguments: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """A command line as it is run: what trains, plays or attacks made small, patterns replaced by file names.

    wanted: result files that later commands of the page read: of a suite, those cells are run.
    """
    name, rest, values = parse(arguments)
    own = any(learner.endswith(".py") for learner in values.get("learner") or ())
    if name in ("run", "sweep") and not own:  # only the page knows what a reader's own learner needs
        rest = _without(rest, ("--seeds", "--interactions", "-n", "--physics"), ("evaluation.", "learner."))
        rest += ["--seeds", "1", "-n", str(small_cells.INTERACTIONS), "--physics", "compiled"]
        rest += _part(values, wanted) if values.get("suite") else ()
        learner = (values["learner"] or ["shac"])[0]
        swept = "".join(values.get("over") or ())
        small = [f"learner.{field}={value}" for field, value in small_cells.LEARNERS.get(learner, {}).items()]
        small += [f"evaluation.{field}={value}" for field, value in small_cells.EVALUATION.items()]
        unswept = [setting for setting in small if setting.split("=")[0] not in swept]
        rest += [word for setting in unswept for word in ("--set", setting)]
    elif name == "certify" and values["attack"]:
        rest += ["--steps", str(ATTACKED_STEPS), *([] if values["task"] else ["pendulum"])]
    elif name == "play":
        rest += ["--steps", str(PLAYED_STEPS)]
    return [name, *(found for word in rest for found in (sorted(glob.glob(word)) or [word]))]


def _without(arguments: Sequence[str], options: Sequence[str], owners: Sequence[str]) -> list[str]:
    """A command line without some options with their values, and without settings of some owners."""
    kept: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in options or (word == "--set" and left[0].startswith(tuple(owners))):
            left.pop(0)
        elif not (word.startswith("--") and word.split("=")[0] in options):
            kept.append(word)
    return kept


def _part(values: dict[str, Any], wanted: Sequence[str]) -> list[str]:
    """Options that leave those cells of a suite which later commands read; the first one if none does."""
    cells = suites.part(values["suite"], *(values[kind] for kind in ("task", "safeguard", "learner")))
    needed = [cell for cell in cells if any(_names(path, cell) for path in wanted)] or cells[:1]
    named = {
        (f"--{kind}", getattr(cell, kind)): None
        for kind in ("task", "safeguard", "learner")
        for cell in needed
        if not values[kind]
    }
    return [word for pair in named for word in pair]


def _names(path: str, cell: Cell) -> bool:
    return path.endswith(f"{cell.task}/{cell.safeguard}--{cell.learner}.json")


def result_files(commands: Sequence[Command]) -> list[str]:
    """The result files that commands of a page read."""
    typed = [words(command) for command in commands]
    reading = [found for found in typed if found[:2] in (["safebench", "play"], ["safebench", "verify"])]
    return [word for found in reading for word in found if Path(word).suffix == ".json"]
