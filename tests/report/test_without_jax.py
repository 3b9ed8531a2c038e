"""Result files, tables, plots and the leaderboard work where jax is not installed."""

import pkgutil
import subprocess
import sys

from safebench import record, report

CODE = """
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("jax", "jaxlib", "mujoco", "brax", "flax", "optax"):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Refuse())
import importlib
for name in "{readers}".split():
    importlib.import_module(name)
assert not any(name.split(".")[0] in ("jax", "mujoco") for name in sys.modules)
try:
    importlib.import_module("safebench.env.environment")
except ImportError as error:
    print("blocked" in str(error))
"""


def test_readers_never_import_jax():
    readers = [
        f"{package.__name__}.{module.name}"
        for package in (record, report)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    assert {"safebench.record.frame", "safebench.record.submission", "safebench.report.plots"} <= {*readers}
    code = CODE.format(readers=" ".join(readers))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"  # the control: something that needs jax is stopped
