"""The house: eleven wings, imports one way, two towers without jax and MuJoCo, plug-ins see only a face."""

import ast
import functools
import graphlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "sets": set(),
    "record": set(),
    "physics": {"sets"},
    "report": {"record"},
    "env": {"sets", "record", "physics"},
    "navigation": {"sets", "record", "physics", "env"},
    "household": {"sets", "physics"},
    "learning": {"sets", "record", "physics", "env"},
    "runs": {"sets", "record", "physics", "env", "learning"},
    "adapters": {"physics", "env", "runs"},
    "commands": {
        *("sets", "record", "physics", "report", "env"),
        *("navigation", "household", "learning", "runs"),
    },
}
"""Of every wing: the other wings that it may import."""
ENTRANCE = {
    "__init__": {"record", "runs"},
    "__main__": {"cli"},
    "cli": {"commands", "runs"},
    "plugin": set(),
    "registry": {"plugin"},
    "atomic": set(),
    "task": {"sets", "physics", "env", "navigation", "household"},
    "safeguard": {"env"},
    "learner": {"env", "learning"},
    "gymnasium": {"adapters"},
    "playground": {"adapters"},
}
"""Of every module that stands beside the wings: the wings (and `cli`) that it may import."""
FOR_ALL = {"plugin", "registry", "atomic"}
"""What a wing may import besides; `atomic` alone where neither jax nor MuJoCo may come in."""
TOWERS = ("sets", "record", "report")
HEAVY = {"jax", "jaxlib", "mujoco", "brax", "flax", "optax", "orbax"}
FACES = {"tasks": "safebench.task", "safeguards": "safebench.safeguard", "baselines": "safebench.learner"}


def imports(path):
    """Every name that a file imports anywhere in it, `from package import name` in full."""
    return _imports(path.read_text(), str(path))


@functools.cache
def _imports(text, path):
    return tuple(_imported(text, path))


def _imported(text, path):
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(root):
    """The modules of the package by their dotted names."""
    found = {}
    for path in (root / "safebench").rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def of_package(name, known):
    """The module of the package that an imported name is, or is in; None if it is another's."""
    parts = name.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((candidate for candidate in candidates if candidate in known), None)


def faults(root):
    """One line for everything that breaks the rules of the house."""
    known = modules(root)
    graph = {}
    for name, path in known.items():
        place = name.split(".")[1] if "." in name else "__init__"
        targets = {of_package(target, known) for target in imports(path)} - {None, name}
        graph[name] = (
            targets if place != "__init__" else set()
        )  # what the package offers, it imports on demand
        heavy = HEAVY & {target.split(".")[0] for target in imports(path)}
        if place in TOWERS and heavy:
            yield f"{name} imports {', '.join(heavy)}"
        allowed = MAY_IMPORT[place] | {place} | FOR_ALL if place in MAY_IMPORT else ENTRANCE.get(place)
        if allowed is None:
            yield f"{name} is no room of the house"
            continue
        for target in targets:
            wing = target.partition(".")[2].partition(".")[0]
            if wing not in allowed or (place in TOWERS and wing in ("registry", "plugin")):
                yield f"{name} imports {target}"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"a circle: {' <- '.join(error.args[1])}"
    for folder, face in FACES.items():
        for path in (root / folder).glob("*.py"):
            for target in imports(path):
                if target.split(".")[0] == "safebench" and not target.startswith(f"{face}."):
                    yield f"{folder}/{path.name} imports {target}"


def test_the_house_is_in_order():
    assert list(faults(ROOT)) == []


def test_the_entrance_holds_the_wings_and_nothing_unexpected():
    entries = {path.name for path in (ROOT / "safebench").iterdir()} - {"__pycache__"}
    assert entries == {*MAY_IMPORT, *(f"{name}.py" for name in ENTRANCE), "py.typed"}


@pytest.mark.parametrize("wing", MAY_IMPORT)
def test_a_wing_says_what_it_is_and_what_it_may_import(wing):
    path = ROOT / "safebench" / wing / "__init__.py"
    (docstring,) = ast.parse(path.read_text()).body  # one docstring and no code
    text = ast.literal_eval(docstring.value)
    (named,) = re.findall(r"May import: (.*)\.", text)
    if named == "every other wing":
        assert MAY_IMPORT[wing] == set(MAY_IMPORT) - {wing}
    else:
        assert MAY_IMPORT[wing] == (set() if named == "no other wing" else set(named.split(", ")))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the house, to be spoilt and mended."""
    root = tmp_path_factory.mktemp("house")
    for folder in ("safebench", *FACES):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("safebench/sets/proof.py", "from safebench.physics.dynamics import Dynamics", "sets.proof imports"),
        (
            "safebench/sets/proof.py",
            "from safebench import registry",
            "sets.proof imports safebench.registry",
        ),
        ("safebench/record/files.py", "import jax.numpy as jnp", "record.files imports jax"),
        ("safebench/report/plots.py", "from mujoco import mjx", "report.plots imports mujoco"),
        ("safebench/env/task.py", "def late():\n    from safebench.runs import cell", "env.task imports"),
        ("safebench/env/task.py", "import safebench.cli", "env.task imports safebench.cli"),
        ("safebench/runs/train.py", "from safebench.report import plots", "runs.train imports"),
        ("safebench/runs/train.py", "from safebench.task import Task", "runs.train imports safebench.task"),
        ("safebench/sets/polytope.py", "from safebench.sets import duality", "a circle"),
        ("safebench/commands/run.py", "import safebench", "commands.run imports safebench"),
        ("safebench/new_thing.py", "", "is no room of the house"),
        ("tasks/pendulum.py", "from safebench.env.task import Task", "tasks/pendulum.py imports"),
        ("safeguards/none.py", "from safebench.task import box", "safeguards/none.py imports"),
        ("baselines/shac.py", "from safebench.tasks import pendulum", "baselines/shac.py imports"),
        ("baselines/shac.py", "import safebench", "baselines/shac.py imports safebench"),
    ],
)
def test_an_import_the_wrong_way_is_found(copy, path, line, complaint):
    """The negative control: the same rules on a copy with one line more."""
    target = copy / path
    before = target.read_text() if target.exists() else None
    target.write_text(f"{before or ''}\n{line}\n")
    found = list(faults(copy))
    assert any(complaint in line for line in found), found
    if before is None:
        target.unlink()
    else:
        target.write_text(before)
    assert list(faults(copy)) == []


@pytest.mark.slow
def test_what_is_proven_and_what_is_counted_never_load_jax_or_mujoco():
    names = [name for name in modules(ROOT) if name.split(".")[1:2] and name.split(".")[1] in TOWERS]
    code = f"import sys\nfor name in {names}: __import__(name)\nprint(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    control = code.replace("print(", "import safebench.env.environment\nprint(")
    done = subprocess.run([sys.executable, "-c", control], capture_output=True, text=True, check=True)
    assert {"jax", "mujoco"} <= set(ast.literal_eval(done.stdout))


@pytest.mark.slow
def test_importing_prints_nothing():
    without = {"safebench.__main__", "safebench.adapters.playground"}  # whose library is no extra
    names = sorted({*modules(ROOT)} - without)
    code = f"for name in {names}: __import__(name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    aloud = subprocess.run(
        [sys.executable, "-c", "import mujoco.mjx"], capture_output=True, text=True, check=True
    )
    assert aloud.stdout  # the control: this is what would be seen
