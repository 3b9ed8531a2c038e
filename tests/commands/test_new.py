"""`safebench new` writes what works as it is; it never overwrites, and says what a name may be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from safebench import registry
from safebench.commands import new_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_new_task_is_proven_as_it_is_and_nothing_is_overwritten(folder, safebench):
    code, output, error = safebench("new", "task", "my-cart")
    assert code == 0, error
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {"my_cart.py", "assets/my_cart.xml", "certificates/my_cart.npz"}
    assert all(f"Wrote {path}\n" in output for path in written)
    assert "  safebench certify my_cart.py\n" in output
    code, output, error = safebench("certify", "./my_cart.py")
    assert code == 0, output + error
    assert "proven" in output
    assert registry.make_task("my_cart.py", "compiled").name == "my-cart"
    before = (folder / "my_cart.py").read_bytes()
    for gone in ("my_cart.py", "certificates/my_cart.npz", None):
        code, _, error = safebench("new", "task", "my-cart")
        assert (code, error.startswith("Error: ")) == (2, True)
        assert "exists already; nothing was written" in error
        if gone:
            (folder / gone).unlink()
    assert not (folder / "my_cart.py").exists()
    assert before == new_files._filled("task.py", "my-cart")


def test_a_new_safeguard_and_learner_are_plug_ins(folder, safebench):
    assert safebench("new", "safeguard", "my-guard", "--folder", "deep/down")[0] == 0
    assert safebench("new", "learner", "my-learner")[0] == 0
    guard = registry.find("safeguard", "deep/down/my_guard.py")
    assert (guard.name, guard.module.CERTIFIED) == ("my-guard", True)
    learner = registry.find("learner", "./my_learner.py")
    assert learner.module.Config().window == 32
    with pytest.raises(ValueError, match="window must be at least 1"):
        learner.module.Config(window=-4)
    for text in (Path("my_learner.py"), Path("deep/down/my_guard.py")):
        assert len(text.read_text().splitlines()) < 120
        assert "$" not in text.read_text()


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        ("task", "my__task", "expected a-z, 0-9 and single hyphens"),
        ("task", "My-task", "expected a-z"),
        ("learner", "../up", "expected a-z"),
        ("safeguard", "a--b", "expected a-z"),
        ("safeguard", "[/x]", "'[/x]'"),
        ("task", "9lives", "a letter first"),
        ("task", "x" * 51, "at most 50"),
        ("task", "", "expected a-z"),
        ("task", "class", "a word of Python"),
        ("package", "numpy", "a module numpy already"),
        ("learner", "random", "a module random already"),
        ("task", "pendulum", "pendulum is a registered task"),
        ("learner", "shac", "shac is a registered learner"),
        ("safeguard", "ray-mask", "ray-mask is a registered safeguard"),
    ],
)
def test_a_bad_name_is_refused_with_the_rule(folder, safebench, kind, name, complaint):
    code, _, error = safebench("new", kind, name)
    assert code == 2
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert complaint in error
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_is_named(folder, safebench, monkeypatch):
    (folder / "file").write_text("")
    code, _, error = safebench("new", "learner", "mine", "--folder", "file/deeper")
    assert (code, "file is a file, not a folder" in error) == (2, True)

    honest = Path.mkdir

    def full(path, **options):
        if path.name == "b":
            raise OSError(28, "No space left on device")
        honest(path, **options)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match=r"No space left on device; nothing was written.*'b/b\.py'"):
        new_files.write(Path(), {"a.py": b"first", "b/b.py": b"second"})
    assert not (folder / "a.py").exists()


@pytest.mark.slow
def test_new_files_train_together_from_an_empty_folder(folder, safebench):
    for kind, name in (("task", "my_cart"), ("safeguard", "my-guard"), ("learner", "my-learner")):
        assert safebench("new", kind, name)[0] == 0
    options = ["--seeds", "2", "-n", "512", "--physics", "compiled", "--set", "evaluation.starts=4"]
    chosen = ["-t", "./my_cart.py", "-g", "./my_guard.py", "-l", "./my_learner.py"]
    code, output, error = safebench("run", *chosen, *options, "--out", "out")
    assert code == 0, output + error
    result = json.loads((folder / "out" / "my-cart" / "my-guard--my-learner.json").read_text())
    assert [len(result[part]["source"]) for part in ("task", "safeguard", "learner")] == [64, 64, 64]
    assert [run["training"]["violations"] for run in result["runs"]] == [0, 0]


@pytest.mark.slow
def test_a_new_package_installs_is_listed_and_passes_its_own_test(folder, safebench):
    assert safebench("new", "package", "my-bench")[0] == 0
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", "installed", "./my-bench"], check=True)
    environment = os.environ | {"PYTHONPATH": str(folder / "installed"), "COLUMNS": "200"}

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = python("-m", "safebench", "list")
    assert done.returncode == 0, done.stderr
    for kind in ("task", "safeguard", "learner"):
        assert f"my-bench-{kind}" in done.stdout
    assert "broken" not in done.stdout
    done = python("-m", "safebench", "certify", "my-bench-task")
    assert done.returncode == 0, done.stdout + done.stderr
    done = python("-m", "pytest", "-q", "--rootdir", "my-bench", "-p", "no:cacheprovider", "my-bench/tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
