"""Plug-ins given by a file: whatever one of their functions gives wrongly is one line before training."""

import dataclasses
import re

import pytest
from tiny_cells import tiny

import safebench
from safebench import registry
from safebench.runs import check, presets, suites
from safebench.runs.prepare import prepare

TASK = """
import dataclasses
import jax, jax.numpy as jnp, numpy as np
from safebench.tasks import pendulum
CHANGES = {}
def make(physics="mjx"):
    return dataclasses.replace(pendulum.make("compiled"), **{"name": "mine", **CHANGES})
def synthesise(progress=None): return pendulum.synthesise(progress)
"""
GUARD = """
from dataclasses import dataclass
import jax.numpy as jnp
from safebench.safeguard import Guarded
CERTIFIED = False
@dataclass(frozen=True)
class Config:
    regularisation: float = 0.0
def make(config):
    def apply(a, actions):
        return Guarded(a, jnp.zeros(()), jnp.array(True), jnp.array(False), jnp.array(True))
    return apply
"""
LEARNER = """
from dataclasses import dataclass
import jax.numpy as jnp
from safebench.learner import Learner
@dataclass(frozen=True)
class Config:
    rate: float = 0.1
SETTINGS = {}
def make(env, config, interactions):
    return Learner(lambda key: jnp.zeros(2), lambda state: state, lambda state: state, act, 8)
def act(policy, observation):
    return jnp.zeros(1)
"""
PLUGINS = {"task": TASK, "safeguard": GUARD, "learner": LEARNER}


def cell_with(tmp_path, kind, text, stem="mine"):
    path = tmp_path / f"{stem}.py"
    path.write_text(text)
    changes = {"learner_changes": ()} if kind == "learner" else {}
    return dataclasses.replace(tiny(), **changes, **{kind: str(path)})


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_whole_plugin_is_recorded_by_its_stem_and_hash(tmp_path, kind):
    """The control: what the tests below spoil is fine."""
    prepared = prepare(cell_with(tmp_path, kind, PLUGINS[kind]))
    record = getattr(prepared, f"{kind}_record")
    assert record.name == "mine"
    assert re.fullmatch("[0-9a-f]{64}", record.source)


WRONG_TASKS = {
    "reward=lambda x, a, after, context: after": r"reward\(\) gives shape \(2,\): expected a scalar",
    "reward=lambda x, a, after, context: (after[0], a[0])": r"reward\(\) gives .*: expected one array",
    "reward=lambda x, a, after, context: jnp.array(1)": r"reward\(\) gives int64: expected floating-point",
    "reward=lambda x, a: x[0]": r"reward\(\): .*TypeError: .*2 positional arguments but 4",
    "reward=lambda x, a, after, context: jnp.sqrt(-1 - after[0] ** 2)": r"reward\(\) gives nan at the state",
    "reward=lambda x, a, after, context: -1 / jnp.maximum(after[0], 0) ** 2": r"reward\(\) gives -inf at",
    "reward=lambda x, a, after, context: unknown_name": r"reward\(\): .*NameError: name 'unknown_name'",
    "reward=lambda x, a, after, context: 1.0 if x[0] > 0 else 0.0": r"reward\(\): .*Tracer",
    "observe=lambda x, context: jnp.outer(x, x)": r"observe\(\) gives shape \(2, 2\): expected one axis",
    "observe=lambda x, context: x[0]": r"observe\(\) gives shape \(\)",
    "observe=lambda x, context: jnp.log(x)": r"observe\(\) gives \[.*nan.*\] at the state",
    "observe=lambda x, context: None": r"observe\(\) gives None: expected one array",
    "disturb=lambda key, context: jnp.zeros(3)": r"disturb\(\) gives shape \(3,\): expected \(1,\)",
    "disturb=lambda key, context: jnp.full(1, 0.5)": r"disturb\(\) gives \[0.5\]: expected one in the box",
    "begin=lambda key, x: jnp.zeros(2), advance=lambda old: old[0]": r"advance\(\) gives .*float64\(\)",
    "begin=lambda key, x: key['goal']": r"begin\(\): ",
    "reference_start=(np.zeros(2), 3.0)": "context of reference_start",
    "name='other'": "Task.name is 'other', but the file is called 'mine'",
    "horizon=0": "horizon",
    "horizon=2.5": "horizon",
    "version=-1": "version",
    "control_period=float('inf')": "control_period",
}


@pytest.mark.parametrize("change", WRONG_TASKS)
def test_a_tasks_faults_are_named(tmp_path, change):
    text = TASK.replace("CHANGES = {}", f"CHANGES = dict({change})")
    with pytest.raises(ValueError, match=WRONG_TASKS[change]) as raised:
        prepare(cell_with(tmp_path, "task", text))
    assert f"{tmp_path}/mine.py: " in str(raised.value)
    assert "\n" not in str(raised.value)


MOVING = """
import dataclasses
import jax, jax.numpy as jnp, numpy as np
import corridor_task
from corridor_task import begin, clearance, move, observe, picture
from safebench.task import Corridor, Start
CHANGES, CORRIDORS = {}, {}
def spoilt(**parts):
    return lambda key: begin(key)._replace(**parts)
def make(physics="mjx"):
    task = corridor_task.make()
    corridors = dataclasses.replace(task.corridors, **CORRIDORS)
    return dataclasses.replace(task, name="mine", corridors=corridors, **CHANGES)
def synthesise(progress=None): raise NotImplementedError
"""
HALF = "lambda context: context._replace(discs=context.discs._replace(radius=0.5 * context.discs.radius))"
ON_A_DISC = "spoilt(x=jnp.array([-.6, .9, 0, 0]), corridor=Corridor(*2 * [jnp.array([-.6, .9])]))"
IMAGINARY = "lambda x, context, corridor: Corridor(corridor.low, jnp.sqrt(-1 - corridor.high**2))"
WRONG_CORRIDORS = {
    "begin=lambda key: begin(key)[:2]": r"corridors.begin gives a tuple, expected a Start\(x, context, ",
    "begin=lambda key: key['x']": r"make\(\): ",
    "begin=spoilt(x=jnp.zeros(3))": r"begin gives x of shape \(3,\) and type float64, expected \(4,\)",
    "begin=spoilt(corridor=Corridor(0.0, 0.0))": r"corridors.begin gives corridor.low of shape \(\)",
    "move=None": "expected Corridors whose move is a function",
    "move=lambda x, context, corridor: x": r"corridors.move\(\) gives a .*: expected what corridors.beg",
    "move=lambda x, context, corridor: corridor._replace(low=jnp.zeros(3))": (
        r"corridors.move\(\) gives .*float64\(3,\).*: expected what corridors.begin\(\) gives"
    ),
    "move=lambda x, context: 0": r"corridors.move\(\): .*TypeError: .*2 positional arguments but 3",
    "clearance=lambda context, corridor: corridor.low": r"clearance\(\) gives shape \(2,\): expected a",
    "clearance=lambda context, corridor: jnp.array(True)": "clearance.* gives bool: expected floating",
    "clearance=lambda context, corridor: context.wall": r"clearance\(\): .*AttributeError: .*wall",
}
WRONG_STARTS = {
    "begin=spoilt(corridor=Corridor(jnp.ones(2), jnp.zeros(2)))": (
        r"corridors.begin\(\) gives \[\[1. 1.\] \[0. 0.\]\] at the start .*: expected low <= high within "
        r"the certificate's translation limits \[2.8 2.8\]"
    ),
    "begin=spoilt(corridor=Corridor(jnp.full(2, -9.0), jnp.full(2, 9.0)))": "expected low <= high within",
    "begin=spoilt(corridor=Corridor(jnp.zeros(2), jnp.zeros(2)))": "expected a state in the set of its corr",
    "begin=spoilt(x=jnp.array([-2.0, 0.0, 0.9, 0.0]))": "expected a state in the set of its corridor",
    "begin=spoilt(x=jnp.full(4, jnp.nan))": "expected a state in the set of its corridor",
    f"begin={ON_A_DISC}": r"corridors.clearance\(\) gives -0.6 at the start .*: expected at least 0 where an",
    f"move={IMAGINARY}": r"corridors.move\(\) gives .*nan.* at the start .*: expected finite numbers",
    "clearance=lambda context, corridor: jnp.log(-1.0 - corridor.low[0] ** 2)": r"clearance\(\) gives nan at",
}
WRONG_SCENES = {
    "observe=lambda x, context: x": r"observe\(\): .*TypeError: .*2 positional arguments but 3 were given",
    "excess=lambda x, context: x[0]": r"excess\(\) gives shape \(\): expected one axis",
    "excess=lambda x, context: jnp.zeros(0)": r"excess\(\) gives shape \(0,\): expected one axis, of at",
    "excess=lambda x, context: x > 0": r"excess\(\) gives bool: expected floating-point numbers",
    "reached=lambda x, context: x[:1]": r"reached\(\) gives float64: expected booleans",
    "reached=lambda x, context: x[0] > 0": r"reached\(\) gives shape \(\): expected one axis",
    "picture=lambda x, context, corridor: x": r"picture\(\) gives a .*: expected a Picture",
    "picture=lambda x, context, corridor: picture(x, context, corridor)._replace(goals=x)": (
        r"picture\(\) gives .*: expected a Picture of discs"
    ),
    "reference_start=(np.zeros(4), ())": "reference_start is .*expected None where corridors are given",
    "safe_set=corridor_task.moving_set()._replace(low_rates=np.zeros((28, 0)))": (
        "safe_set is .*, expected one that moves: leave it out"
    ),
}
WRONG_VALUES = {
    "observe=lambda x, context, corridor: jnp.log(corridor.low - corridor.low)": r"observe\(\) gives \[-inf",
    "excess=lambda x, context: 1 - jnp.abs(x)": r"excess\(\) gives .* at the state .*: expected at most 0",
    "excess=lambda x, context: jnp.sqrt(x - 9)": r"excess\(\) gives \[nan.* at the state .*: expected at",
    f"advance={HALF}": r"corridors.clearance\(\) gives .*: expected after advance\(\) the same as before",
}
WRONG_MOVING = {
    "CORRIDORS": WRONG_CORRIDORS | WRONG_STARTS,
    "CHANGES": WRONG_SCENES | WRONG_VALUES,
}
COMPILED = [*WRONG_STARTS, *WRONG_VALUES]
"""Found at values, by a program that takes seconds to compile."""
FAULTS = [
    pytest.param(where, change, id=change[:60], marks=[pytest.mark.slow] if change in COMPILED[1:] else [])
    for where, changes in WRONG_MOVING.items()
    for change in changes
]


@pytest.mark.slow
def test_a_task_whose_safe_set_moves_is_fine(tmp_path):
    """The control: what the test below spoils."""
    prepare(cell_with(tmp_path, "task", MOVING))


@pytest.mark.parametrize(("where", "change"), FAULTS)
def test_the_faults_of_a_task_whose_safe_set_moves_are_named(tmp_path, where, change):
    text = MOVING.replace("\ndef make", f"\n{where} = dict({change})\ndef make")
    with pytest.raises(ValueError, match=WRONG_MOVING[where][change]) as raised:
        prepare(cell_with(tmp_path, "task", text))
    assert f"{tmp_path}/mine.py: " in str(raised.value)
    assert "\n" not in str(raised.value)


WRONG_GUARDS = {
    ("return apply", "return None"): "expected a function",
    ("return apply", "raise RuntimeError('no')"): r"make\(\): .*RuntimeError: no",
    ("return Guarded(a,", "return Guarded(a[0],"): r"safeguard's action is .*: expected shape \(1,\)",
    ("return Guarded(a, jnp.zeros(())", "return Guarded(a, 0.0"): None,
    ("return Guarded(a, jnp.zeros(()), jnp.array(True), jnp.array(False), jnp.array(True))", "return a"): (
        "expected a Guarded"
    ),
    ("def apply(a, actions)", "def apply(a)"): "TypeError: .*takes 1 positional argument",
    ("regularisation: float = 0.0", "strength: float = 0.0"): "no regularisation",
    ("regularisation: float = 0.0", "regularisation: float"): r"Config\(\): .*TypeError",
    ("float = 0.0", "float = 0.0; when: object = float('nan')"): "Config.when is nan: expected what JSON",
    ("float = 0.0", "float = 0.0; table: object = len"): "Config.table is <built-in function len>",
    ("CERTIFIED = False", "CERTIFIED = 1"): "CERTIFIED must be True or False, not 1",
    ("@dataclass(frozen=True)", ""): "dataclass",
}


@pytest.mark.parametrize("change", WRONG_GUARDS, ids=lambda change: change[1][:40])
def test_a_safeguards_faults_are_named(tmp_path, change):
    cell = cell_with(tmp_path, "safeguard", GUARD.replace(*change))
    expected = WRONG_GUARDS[change]
    if expected is None:  # a plain number is a scalar too
        prepare(cell)
        return
    with pytest.raises(ValueError, match=expected) as raised:
        prepare(cell)
    assert f"{tmp_path}/mine.py" in str(raised.value)
    assert "\n" not in str(raised.value)


WRONG_LEARNERS = {
    ("return jnp.zeros(1)", "return jnp.zeros(3)"): r"act\(\) gives shape \(3,\): expected \(1,\)",
    ("return jnp.zeros(1)", "return policy @ observation"): r"act\(\): ",
    ("act, 8)", "act, 0)"): "Learner.interactions is 0: expected a whole number from 1",
    ("act, 8)", "act, 8.0)"): "Learner.interactions is 8.0",
    ("act, 8)", "act, 800)"): r"a budget of 32 interactions is less than one update of .* \(800\)",
    ("return Learner(", "return ("): "expected a Learner",
    ("lambda key: jnp.zeros(2)", "lambda: jnp.zeros(2)"): r"initialise\(\): .*TypeError",
    ("SETTINGS = {}", "SETTINGS = ()"): "SETTINGS must be a mapping",
    ("rate: float = 0.1", "rate: float = float('inf')"): "Config.rate is inf: expected what JSON",
    ("def make(env, config, interactions)", "def make(env, config)"): r"make\(\): .*TypeError",
}


@pytest.mark.parametrize("change", WRONG_LEARNERS, ids=lambda change: change[1][:40])
def test_a_learners_faults_are_named(tmp_path, change):
    with pytest.raises(ValueError, match=WRONG_LEARNERS[change]) as raised:
        prepare(cell_with(tmp_path, "learner", LEARNER.replace(*change)))
    assert f"{tmp_path}/mine.py" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "stem"),
    [
        ("task", "pendulum"),
        ("task", "Pendulum"),
        ("safeguard", "ray_mask"),
        ("safeguard", "none"),
        ("learner", "shac"),
    ],
)
def test_a_registered_name_is_not_taken(tmp_path, kind, stem):
    with pytest.raises(ValueError, match=r"is a registered .*: name the file otherwise"):
        prepare(cell_with(tmp_path, kind, PLUGINS[kind], stem))


@pytest.mark.parametrize("stem", ["my task", "größe", "a__b", "-x", "x" * 65])
@pytest.mark.parametrize("kind", PLUGINS)
def test_a_name_that_no_result_can_have_is_refused(tmp_path, kind, stem):
    with pytest.raises(ValueError, match="cannot name a result"):
        prepare(cell_with(tmp_path, kind, PLUGINS[kind], stem))


def test_an_underscore_is_a_hyphen(tmp_path):
    text = TASK.replace('"name": "mine"', '"name": "my_task"')
    assert prepare(cell_with(tmp_path, "task", text, "my_task")).task_record.name == "my-task"


def test_the_python_interface_checks_a_file_too(tmp_path):
    cell = cell_with(tmp_path, "task", TASK)
    safebench.make(cell.task, "none", physics="compiled")  # the control
    text = TASK.replace("CHANGES = {}", "CHANGES = dict(reward=lambda x, a, after, context: after)")
    cell = cell_with(tmp_path, "task", text)
    for call in (lambda: safebench.make(cell.task, "none"), lambda: safebench.filter(cell.task, "ray-mask")):
        with pytest.raises(ValueError, match=r"mine.py: reward\(\) gives shape \(2,\)"):
            call()


@pytest.mark.parametrize("learner", registry.names("learner"))
def test_safebenchs_own_learners_fit_every_kind_of_task(learner):
    """`prepare` does not trace them, so that nobody waits for it."""
    for task in ("pendulum", "energy", "crowd"):
        (cell,) = suites.product([task], ["ray-mask"], [learner])
        prepared = prepare(dataclasses.replace(cell, physics="compiled"))
        assert prepared.built_in
        check.check_learner(prepared.learner, prepared.env, cell.interactions, learner)


@pytest.mark.parametrize("safeguard", presets.names())
def test_safebenchs_own_safeguards_fit_every_kind_of_task(safeguard, task_of):
    plugin, config = presets.resolved(safeguard)
    for task in ("pendulum", "energy", "crowd"):
        check.check_safeguard(plugin.module.make(config), task_of(task, "compiled"), safeguard)
