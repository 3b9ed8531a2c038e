"""The wheel, installed in a clean environment outside the repository, has everything."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from safebench import registry

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, ROOT]
    subprocess.run(command, check=True)
    (path,) = target.glob("safebench-*.whl")
    return path


def test_the_wheel_holds_all_code_and_data_and_no_top_level_plugin_packages(wheel):
    names = zipfile.ZipFile(wheel).namelist()
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


@pytest.mark.slow
def test_the_installed_wheel_finds_every_plugin(wheel, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    target = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # Dependencies come from this environment; its editable safebench does not (nested .pth is not read).
    Path(target, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", target, wheel]
    subprocess.run(install, check=True)
    run = [python, "-m", "safebench", "list"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    for kind in ("task", "safeguard", "learner"):
        for name in registry.names(kind):
            assert name in done.stdout
    where = subprocess.run(
        [python, "-c", "import safebench.tasks as t; print(t.__path__[0])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(environment) in where
