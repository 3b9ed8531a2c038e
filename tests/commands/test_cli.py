"""The command line itself: help, examples, and what is not imported."""

import re
import shlex
import subprocess
import sys

import pytest
import typer

from safebench import cli
from safebench.commands import schema
from safebench.record import schema as record_schema
from safebench.report.leaderboard import Leaderboard

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
    """Its options exist and its values are of the right kind; nothing is run."""
    program, command, *arguments = shlex.split(example)
    assert (program, command) == ("safebench", name)
    context = GROUP.commands[name].make_context(name, arguments)
    assert context.params


def test_every_command_but_list_has_an_example():
    assert {name for name, command in GROUP.commands.items() if not command.epilog} == {"list"}


def test_the_schema_command_prints_the_fields_of_both_files():
    text = schema.tables()
    assert text.startswith(record_schema.field_table())
    assert text.endswith("## The fields of leaderboard.json\n\n" + record_schema.field_table(Leaderboard))


def test_help_and_tables_start_without_jax():
    code = (
        "import sys; from safebench import cli; import safebench.commands.report, safebench.commands.schema; "
        "sys.exit(any(name in sys.modules for name in ('jax', 'mujoco')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_commands_asks_nothing_of_a_device():
    """Precision and platform are chosen after the imports."""
    names = "attack bench certify choice draw listing play player run sweep verify".split()
    code = "".join(f"import safebench.commands.{name}\n" for name in names)
    code += "from jax._src import xla_bridge\nassert not xla_bridge._backends"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
