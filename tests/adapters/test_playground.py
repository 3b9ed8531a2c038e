"""MuJoCo Playground without Playground; what is done with it is tested by `make test-libraries`."""

import subprocess
import sys

from safebench import playground
from safebench.adapters.identifiers import every


def test_names_are_unique():
    names = [playground.playground_name(*pair) for pair in every()]
    assert len(set(names)) == len(names)
    assert "safebench-quadrotor-ray-mask" in names


def test_without_playground_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['mujoco_playground'] = None; "
        "import safebench.playground as adapter; adapter.register()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("safebench.playground needs mujoco_playground: pip install 'playground'")
