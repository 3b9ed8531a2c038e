"""`import safebench`: what it offers from Python, and that its examples are true."""

import ast
import dataclasses
import doctest
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_cells

import safebench
from safebench import registry
from safebench.env.environment import Env
from safebench.runs import api, diagnose, presets, suites

ROOT = Path(__file__).parents[2]
OFFERED = {
    *("configure", "make", "guard", "filter", "prove", "train", "load_results"),
    *("list_tasks", "list_safeguards", "list_learners", "list_suites"),
}


def python(code, folder=ROOT):
    """What a fresh process prints, and its errors."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    return done.stdout, done.stderr


def test_what_is_offered():
    assert set(safebench.__all__) == OFFERED
    assert set(dir(safebench)) >= OFFERED
    with pytest.raises(AttributeError, match="no attribute 'mak'"):
        safebench.mak  # noqa: B018
    with pytest.raises(TypeError, match="safeguard"):
        safebench.make("pendulum")  # no silent "none"


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "train" else name for name in sorted(OFFERED)],
)
def test_every_function_is_typed_and_explained_by_an_example_that_is_true(name, monkeypatch):
    function = getattr(safebench, name)
    hints = typing.get_type_hints(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert example.examples
    monkeypatch.chdir(ROOT)
    said = []
    runner = doctest.DocTestRunner()
    runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_a_wrong_example_is_found():
    """The control of the test above."""
    (example,) = doctest.DocTestFinder(recurse=False).find(safebench.list_suites, "wrong", globs={})
    example.examples[-1].want = "False\n"
    runner = doctest.DocTestRunner()
    runner.run(example, out=lambda text: None)
    assert runner.summarize(verbose=False).failed == 1


@pytest.mark.slow
def test_importing_and_listing_load_no_jax():
    code = (
        "import sys, safebench; safebench.list_tasks(), safebench.list_safeguards(), safebench.load_results,"
        "safebench.list_learners(), safebench.list_suites(); print('jax' in sys.modules)"
    )
    assert python(code) == ("False\n", "")
    assert python(code.replace("print", "safebench.make; print")) == ("True\n", "")  # the control


def test_lists_are_what_the_registry_holds():
    assert safebench.list_tasks() == registry.names("task")
    assert safebench.list_safeguards() == presets.names()
    assert safebench.list_learners() == registry.names("learner")
    assert safebench.list_suites() == list(suites.SUITES)


MAKE = "safebench.make('pendulum', 'none', physics='compiled')"
SHOW = "print(env.reset(jax.random.key(0)).obs.dtype)"
CACHE = "print(jax.config.values['jax_compilation_cache_dir'])"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        # Arrays without a precision are in nobody's way; nothing is kept on disk unless asked for.
        (f"x, key = jnp.arange(3), jax.random.key(0); env = {MAKE}; {SHOW}; {CACHE}", "float64\nNone"),
        (f"safebench.configure('float32'); env = {MAKE}; {SHOW}", "float32"),
        *(
            pytest.param(code, "float64", marks=pytest.mark.slow)
            for code in (
                "safebench.filter('pendulum', 'none'); print(jnp.zeros(1).dtype)",
                "safebench.prove('pendulum'); print(jnp.zeros(1).dtype)",
                f"jax.config.update('jax_enable_x64', True); x = jnp.zeros(1); {MAKE}; print(x.dtype)",
            )
        ),
        # A compilation cache that jax has already stays.
        pytest.param(
            "jax.config.update('jax_compilation_cache_dir', 'mine'); safebench.configure(cache=True);"
            f"{CACHE}; print(jax.config.jax_default_matmul_precision)",
            "mine\nhighest",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_python_users_get_float64_unless_they_ask_otherwise(code, said):
    assert python(f"import safebench, jax, jax.numpy as jnp\n{code}") == (f"{said}\n", "")


def test_a_cache_that_is_asked_for_is_where_the_command_line_keeps_it():
    out, error = python(f"import safebench, jax; safebench.configure(cache=True); {CACHE}")
    assert out.strip().endswith("xla")
    assert error == ""


@pytest.mark.parametrize(
    ("before", "calls"),
    [
        ("x = jnp.zeros(3)", [MAKE, "safebench.filter('pendulum', 'none')", "safebench.configure()"]),
        *(
            pytest.param(before, calls, marks=pytest.mark.slow)
            for before, calls in (
                (f"{MAKE}; x = jnp.zeros(3)", ["safebench.configure('float32')"]),
                (f"{MAKE}; jax.config.update('jax_enable_x64', False); x = jnp.zeros(3)", [MAKE]),
            )
        ),
    ],
)
def test_a_precision_that_comes_too_late_is_one_clear_line(before, calls):
    code = [f"import safebench, jax, jax.numpy as jnp; {before}"]
    for call in calls:
        code += [f"try: {call}", "except ValueError as error: print(error)"]
    out, error = python("\n".join(code))
    lines = out.splitlines()
    assert len(lines) == len(calls)
    for line in lines:
        assert line.startswith("cannot change to float")
        assert "are alive" in line
        assert "safebench.configure(precision=" in line
    assert error == ""


def test_a_bad_precision_is_refused():
    with pytest.raises(ValueError, match="'float64' or 'float32', not 'float16'"):
        safebench.configure("float16")


def test_make_and_guard_agree():
    """A name, and the same safeguard made by hand: one environment, its regularisation included."""
    named = safebench.make("quadrotor", "ray-mask+regularised", physics="compiled")
    made = safebench.guard("ray-mask", regularisation=0.1)
    ours = safebench.make(named.task, made)
    assert isinstance(ours, Env)
    assert named.regularisation == ours.regularisation == 0.1
    assert safebench.make(named.task, safebench.guard("ray-mask")).regularisation == 0.0
    state = named.reset(jax.random.key(1))
    action = jnp.array([1.0, -1.0])
    np.testing.assert_array_equal(
        jax.jit(named.step)(state, action).obs, jax.jit(ours.step)(state, action).obs
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: safebench.make("pendulm", "none"), "Did you mean 'pendulum'"),
        (lambda: safebench.make("pendulum", "raymask"), "Did you mean 'ray-mask'"),
        (lambda: safebench.make("pendulum", None), "unknown safeguard 'None'"),
        (lambda: safebench.make(None, "none"), "unknown task 'None'"),
        (lambda: safebench.make("pendulum", "none", physics="mujoco"), "not 'mujoco'"),
        (lambda: safebench.filter("pendulum", None), "unknown safeguard 'None'"),
        (lambda: safebench.guard("ray-mask", center="zonotopic"), "Did you mean 'centre'"),
        (lambda: safebench.guard("ray-mask", centre="middle"), "not 'middle'"),
        (lambda: safebench.prove("nothing"), "unknown task"),
        (lambda: safebench.train("pendulum", "none", "shak"), "Did you mean 'shac'"),
        (lambda: safebench.train("pendulum", "none", "shac", seeds=0), "at least 1, not 0"),
        (lambda: safebench.train("pendulum", "none", "shac", seeds=()), "at least one seed"),
        (lambda: safebench.train("pendulum", "none", "shac", window=8), "learner_FIELD"),
        (lambda: safebench.train("pendulum", "none", "shac", learner_windov=8), "Did you mean 'window'"),
        (lambda: safebench.train("pendulum", "none", "shac", learner_window="x"), "wants a whole number"),
        (lambda: safebench.train("pendulum", "none", "shac", evaluation_horizon=999), "between 1 and .* 240"),
        (lambda: safebench.train("pendulum", "none", "shac", evaluation_starts=0), "at least 1, not 0"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises((ValueError, LookupError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_training_from_python_is_the_command_line_s(tmp_path, safebench_command, capsys):
    """The same bits from both; progress on standard error; the result says what was changed."""
    changes = {"environments": 2, "window": 4, "policy_hidden": (8,), "value_hidden": (8,), "value_fits": 1}
    ours = safebench.train(  # tiny_cells.tiny, which other tests compile too
        *("pendulum", "ray-mask", "shac"),
        seeds=(0, 1),
        interactions=32,
        physics="compiled",
        **{f"learner_{name}": value for name, value in changes.items()},
        evaluation_starts=4,
        evaluation_horizon=16,
    )
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "pendulum/ray-mask--shac: compiling" in captured.err
    assert safebench_command("run", *tiny_cells.ARGUMENTS, "-g", "ray-mask", "--out", str(tmp_path))[0] == 0
    frame = safebench.load_results(tmp_path)
    assert list(frame["interactions"]) == [8, 16, 24, 32] * 2
    assert list(frame["return_mean"]) == [value for run in ours.runs for value in run.curve.return_mean]
    assert not ours.settings.standard
    assert {"evaluation_starts", "evaluation_horizon", "learner.window"} <= set(ours.settings.changed)


def test_skipped_updates_are_a_warning(monkeypatch):
    """What a cell ended with is returned, and what was wrong is said."""
    whole = tiny_cells.result_of(tiny_cells.tiny())
    curves = [dataclasses.replace(run.curve, skipped=run.curve.updates) for run in whole.runs]
    runs = tuple(dataclasses.replace(run, curve=curve) for run, curve in zip(whole.runs, curves, strict=True))
    wasted = dataclasses.replace(whole, runs=runs)
    monkeypatch.setattr(api.training, "run", lambda *arguments: wasted)
    monkeypatch.setattr(diagnose, "where_to_look", lambda cell: "look at it")
    with pytest.warns(RuntimeWarning, match="every update of seeds 0, 1 was skipped.*look at it"):
        assert safebench.train("pendulum", "none", "shac", progress=False) == wasted
    monkeypatch.setattr(api.training, "run", lambda *arguments: whole)
    assert safebench.train("pendulum", "none", "shac", progress=False) == whole  # the control: no warning


def test_other_evaluation_points_are_a_setting_too():
    cell = api._cell("pendulum", "none", "shac", 1, 800, "mjx", {"evaluation_points": 4})
    assert cell.evaluations == 4
    assert "evaluations" in suites.settings_of(cell).changed


def test_the_type_checker_sees_what_is_found_at_run_time():
    """The imports for type checkers name the homes that `__getattr__` looks in."""
    tree = ast.parse((ROOT / "safebench" / "__init__.py").read_text())
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("safebench.")
        for alias in node.names
    }
    assert typed == safebench._HOMES
