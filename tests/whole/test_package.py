"""`make dist`: wheel and source distribution are complete, and work in a clean environment elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from safebench import registry

ROOT = Path(__file__).parents[2]
MODULE = (sys.executable, "-m")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "safebench", "tasks", "safeguards", "baselines")
"""What a distribution is made of."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution that `make dist` makes."""
    target, copy = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("copy")
    for name in SOURCES:  # several workers may build at once
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(ROOT / name, copy)
    subprocess.run([*MODULE, "build", "--outdir", target, copy], check=True, capture_output=True)
    (wheel,) = target.glob("safebench-*.whl")
    (source,) = target.glob("safebench-*.tar.gz")
    return wheel, source


def contents(wheel):
    """Of every file but the list of files, what it holds."""
    archive = zipfile.ZipFile(wheel)
    return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}


def test_the_wheel_holds_all_code_and_data_and_no_top_level_plugin_packages(built):
    names = zipfile.ZipFile(built[0]).namelist()
    assert not [name for name in names if name.split("/")[0] in ("tasks", "safeguards", "baselines", "tests")]
    for folder, package in {
        "safebench": "safebench",
        "tasks": "safebench/tasks",
        "safeguards": "safebench/safeguards",
        "baselines": "safebench/baselines",
    }.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{package}/{path.relative_to(ROOT / folder)}" in names


def test_the_metadata_is_in_order(built, tmp_path):
    done = subprocess.run(
        [*MODULE, "twine", "check", "--strict", *built], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    broken = tmp_path / built[0].name  # without the line that names the format of the README
    with zipfile.ZipFile(built[0]) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"(?m)^Description-Content-Type: .*\n", b"", old.read(name)))
    done = subprocess.run([*MODULE, "twine", "check", "--strict", broken], capture_output=True, check=False)
    assert done.returncode == 1


def test_the_package_asks_for_no_old_jax(built):
    archive = zipfile.ZipFile(built[0])
    (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
    needed = re.findall(r"(?m)^Requires-Dist: (.*)$", archive.read(metadata).decode())
    assert [line for line in needed if line.startswith("jax") and "extra" not in line] == [
        "jax>=0.9",
        "jaxtyping>=0.3",
    ]


@pytest.fixture(scope="module", params=["wheel", pytest.param("source", marks=pytest.mark.weekly)])
def installed(request, built, tmp_path_factory):
    """The python of an environment that holds nothing but safebench and what it depends on."""
    environment = tmp_path_factory.mktemp(request.param) / "environment"
    subprocess.run([*MODULE, "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    target = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    # Dependencies come from this environment; its editable safebench does not (nested .pth is not read).
    Path(target, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    chosen = built[request.param == "source"]
    subprocess.run(
        [*MODULE, "pip", "--quiet", "install", "--no-deps", "--target", target, chosen], check=True
    )
    return python


def safebench(python, folder, *arguments):
    command = [python, "-m", "safebench", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_finds_every_plugin(installed, tmp_path):
    shown = safebench(installed, tmp_path, "list")
    for kind in ("task", "safeguard", "learner"):
        for name in registry.names(kind):
            assert name in shown
    asked = [installed, "-c", "import safebench.tasks as t; print(t.__path__[0])"]
    where = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(installed.parents[1]) in where


@pytest.mark.slow
def test_it_certifies_and_trains_the_quick_suite_from_another_folder(installed, tmp_path):
    """Less of it than a release, of which all is certified and trained before it is published."""
    assert "not proven" not in safebench(installed, tmp_path, "certify", "pendulum", "quadrotor")
    safebench(installed, tmp_path, "run", "--suite", "quick", "-n", "20000", "--seeds", "2")
    made = sorted((tmp_path / "runs/quick/pendulum").glob("*.json"))
    assert [path.stem for path in made] == ["boundary-projection--shac", "none--shac", "ray-mask--shac"]
    results = {path.stem: json.loads(path.read_text()) for path in made}
    assert all(result["provenance"]["commit"] is None for result in results.values())
    violations = {
        name: sum(run["training"]["violations"] for run in each["runs"]) for name, each in results.items()
    }
    assert violations["none--shac"] > 0
    assert violations["ray-mask--shac"] == violations["boundary-projection--shac"] == 0


@pytest.mark.slow
def test_the_source_distribution_installs_what_the_wheel_does(built, tmp_path):
    wheel, source = built
    command = [*MODULE, "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(command, check=True)
    (again,) = tmp_path.glob("*.whl")
    assert contents(again) == contents(wheel)
