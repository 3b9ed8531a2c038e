"""The programs in docs/examples do what they say."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def violations():
    """How often C MuJoCo's pendulum leaves its limits behind a filter, in 1000 steps at 20 Hz."""
    return runpy.run_path(str(EXAMPLES / "filter_mujoco.py"))["violations"]


@pytest.mark.parametrize(
    "safeguard",
    ["boundary-projection", "ray-mask", "ray-mask-hyperbolic", "replacement", "cbf-qp", "implicit-safe-set"],
)
def test_a_filter_keeps_c_mujoco_safe(violations, safeguard):
    assert violations(safeguard) == 0
    assert violations(safeguard, seed=1) == 0


def test_without_a_safeguard_the_limits_are_left(violations):
    assert violations("none") > 900
    readme = " ".join((EXAMPLES.parents[1] / "README.md").read_text().split())
    assert "0 of 1000 steps leave the limits, without it more than 900" in readme


def test_the_example_runs_as_it_says():
    command = [sys.executable, EXAMPLES / "filter_mujoco.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ray-mask: 0 of 1000 steps outside the limits" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_every_adapter_steps_and_is_timed():
    program = runpy.run_path(str(EXAMPLES / "adapters_speed.py"))
    taken = {what: program["median"](step, times=5) for what, (step, _) in program["adapters"]()}
    assert len(taken) == 7
    assert all(0 < each < 1e6 for each in taken.values())
