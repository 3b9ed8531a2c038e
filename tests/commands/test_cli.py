"""The command line itself: help, examples, and what is not imported."""

import re
import shlex
import subprocess
import sys
from importlib import metadata

import page_commands
import pytest
import typer
from tiny_cells import ARGUMENTS

from safebench import cli
from safebench.commands import schema
from safebench.record import schema as record_schema
from safebench.report.board import Leaderboard

GROUP = typer.main.get_command(cli.app)


def examples():
    for name, command in sorted(GROUP.commands.items()):
        for example in re.findall(r"`(safebench [^`]*)`", command.epilog or ""):
            if "..." not in example:
                yield pytest.param(name, example, id=example)


@pytest.mark.parametrize("name", [(), *((name,) for name in sorted(GROUP.commands))], ids="-".join)
def test_every_command_has_help(name, safebench):
    code, output, error = safebench(*name, "--help")
    assert code == 0, error
    assert " ".join(["safebench", *name]) in output
    if name:
        assert GROUP.commands[name[0]].help.split()[0] in output


@pytest.mark.parametrize(("name", "example"), examples())
def test_every_example_can_be_read(name, example):
    """Its options, names and settings exist; nothing is run."""
    program, *arguments = shlex.split(example)
    parsed = page_commands.parse(arguments)
    assert (program, parsed.name) == ("safebench", name)
    page_commands.check(parsed)


def test_every_command_but_list_has_an_example():
    assert {name for name, command in GROUP.commands.items() if not command.epilog} == {"list"}


def test_the_schema_command_prints_the_fields_of_both_files():
    text = schema.tables()
    assert text.startswith(record_schema.field_table())
    assert text.endswith("## The fields of leaderboard.json\n\n" + record_schema.field_table(Leaderboard))


def test_the_version_of_everything_that_decides_a_result_is_shown(safebench):
    code, output, _ = safebench("--version")
    assert code == 0
    for name in ("safebench", "jax", "mujoco-mjx", "brax"):
        assert f"{name} {metadata.version(name)}" in output.splitlines()


def test_help_and_tables_start_without_jax():
    code = (
        "import sys; from safebench import cli; import safebench.commands.report, safebench.commands.schema; "
        "sys.exit(any(name in sys.modules for name in ('jax', 'mujoco')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_importing_commands_asks_nothing_of_a_device():
    """Precision and platform are chosen after the imports."""
    names = "attack bench certify choice draw listing play player run sweep verify".split()
    code = "".join(f"import safebench.commands.{name}\n" for name in names)
    code += "from jax._src import xla_bridge\nassert not xla_bridge._backends"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-t", "pendulm", "-g", "none", "-l", "shac"), "Did you mean 'pendulum'"),
        (("run", "-t", "pendulum", "-g", "raymask", "-l", "shac"), "Did you mean 'ray-mask'"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shak"), "Did you mean 'shac'"),
        (("run", "--suite", "quik"), "Did you mean 'quick'"),
        (("run", "--suite", "paper", "-t", "cartpole"), "suite 'paper': unknown task 'cartpole'"),
        (("run", "--suite", "quick", "-l", "ppo"), "Known: shac"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "-n", "-5"), "not -5"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "-n", "5"), "less than one update"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--seeds", "0"), "not 0"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--set", "learner.discont=1"), "'discount'"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--out", "/proc/nowhere"), "/proc/nowhere"),
        (("run", "-t", "./absent.py", "-g", "none", "-l", "shac"), "absent.py"),
        (("run",), "--suite"),
        (("report", "/nowhere"), "/nowhere"),
        (("certify", "pendulm"), "Did you mean 'pendulum'"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(arguments, message, safebench):
    code, _, error = safebench(*arguments)
    assert code == 2, error
    assert message in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_bad_input_from_a_real_shell():
    command = [sys.executable, "-m", "safebench", "run", "-t", "pendulm", "-g", "none", "-l", "shac"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Did you mean 'pendulum'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "not 0"),
        (["--on", "mars"], "'mars'"),
        (["--track", "mlflow"], "known: tensorboard, wandb"),
    ],
)
def test_bad_places_and_trackers_are_one_clear_line(arguments, message, tmp_path, monkeypatch, capsys):
    command = ["safebench", "run", "-g", "none", *ARGUMENTS, "--out", str(tmp_path), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
