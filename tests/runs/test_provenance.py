"""Where a result says that it comes from."""

import shlex
import subprocess

import pytest

from safebench.runs import provenance
from safebench.runs.provenance import commit_of


@pytest.fixture
def checkout(tmp_path):
    """A repository with code and results, all committed."""

    def git(*arguments):
        options = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", tmp_path, *options, *arguments], check=True, capture_output=True)
        return done.stdout.decode().strip()

    for name in ("safebench/code.py", "tasks/other.py", "results/quick/curves.svg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    return tmp_path, git("rev-parse", "HEAD")


def test_a_clean_checkout_is_its_commit(checkout):
    folder, commit = checkout
    assert commit_of(folder / "safebench" / "code.py") == (commit, False)


def test_figures_that_a_run_rewrites_are_no_change_of_the_code(checkout):
    folder, commit = checkout
    (folder / "results" / "quick" / "curves.svg").write_text("2\n")
    (folder / "results" / "quick" / "new.json").write_text("2\n")
    assert commit_of(folder / "safebench" / "code.py") == (commit, False)


@pytest.mark.parametrize("name", ["safebench/code.py", "tasks/other.py"])
def test_a_change_of_the_code_is_told(checkout, name):
    folder, commit = checkout
    (folder / name).write_text("2\n")
    assert commit_of(folder / "safebench" / "code.py") == (commit, True)


def test_what_was_installed_has_no_commit(checkout):
    folder, _ = checkout
    (folder / "safebench" / "foreign.py").write_text("1\n")
    assert commit_of(folder / "safebench" / "foreign.py") == (None, None)


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("/home/somebody/runs/paper", "paper"),
        ("--out=/home/somebody/runs/paper", "--out=paper"),
        ("/home/somebody/my_task.py", "my_task.py"),
        ("results/paper", "results/paper"),
        ("learner.policy_hidden=(64, 64)", "learner.policy_hidden=(64, 64)"),
        ("--out", "--out"),
    ],
)
def test_a_command_tells_no_place_on_the_machine(argument, shown, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/safebench", "run", argument])
    assert shlex.split(provenance.collect().command) == ["safebench", "run", shown]
