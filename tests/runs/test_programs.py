"""The programs of a training: kept on disk once traced, made again where anything differs, the same bits."""

import contextlib
import dataclasses
import gc
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny_cells import tiny, untimed

from safebench.runs import equality, programs
from safebench.runs.prepare import prepare
from safebench.runs.train import run

CELL = tiny("ray-mask")
KINDS = ("compiled", "evaluation", "mjx", "start", "training")
"""How the names of files begin: of the programs that compare physics, too."""


@contextlib.contextmanager
def caching(folder):
    """A compilation cache in this folder, or none."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", folder and str(folder))
    equality._moved_by_mjx.cache_clear()
    try:
        yield folder
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def kept(cache):
    return sorted(path for path in cache.glob(f"*{programs.SUFFIX}"))


@pytest.fixture(scope="module")
def uncached():
    """The cell's result without any cache."""
    with caching(None):
        return run(CELL)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """A cache with the cell's programs, and the cell's result."""
    with caching(tmp_path_factory.mktemp("cache")) as cache:
        return cache, run(CELL)


@pytest.fixture
def untraced(monkeypatch):
    """No program may be traced."""

    def export(*arguments, **options):
        raise AssertionError("a program was traced")

    monkeypatch.setattr(programs.export, "export", export)


def test_a_second_training_traces_nothing_and_gives_the_same_bits(cached, uncached, untraced):
    cache, first = cached
    assert tuple(path.name.split("-")[0] for path in kept(cache)) == KINDS
    with caching(cache):
        second = run(CELL)
    assert untimed(first) == untimed(second) == untimed(uncached)


def test_where_nothing_is_kept_a_program_is_traced(tmp_path, untraced):
    with caching(tmp_path), pytest.raises(AssertionError, match="a program was traced"):
        run(CELL)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: b"", id="empty", marks=pytest.mark.slow),
        pytest.param(lambda data: bytes(1000), id="zeros", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_program_is_made_again(cached, tmp_path, damage):
    cache, first = cached
    for path in kept(cache):
        (tmp_path / path.name).write_bytes(damage(path.read_bytes()))
    assert [programs.load(path) for path in kept(tmp_path)] == [None] * len(KINDS)
    with caching(tmp_path):
        assert untimed(run(CELL)) == untimed(first)
    assert None not in [programs.load(path) for path in kept(tmp_path)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"seeds": (0, 1, 2)}, id="seeds"),
        pytest.param({"interactions": 48}, id="interactions"),
        pytest.param({"learner_changes": (*CELL.learner_changes, ("discount", "0.9"))}, id="a setting"),
        pytest.param({"safeguard": "ray-mask+passthrough"}, id="the safeguard"),
    ],
)
def test_anything_that_decides_a_program_is_told_apart(cached, untraced, change):
    cache, _ = cached
    with caching(cache), pytest.raises(AssertionError, match="a program was traced"):
        run(dataclasses.replace(CELL, **change))


@pytest.mark.slow
def test_a_plugin_given_by_a_file_is_traced_every_time(tmp_path):
    """What it imports may change without a trace."""
    own = tmp_path / "my_mask.py"
    own.write_text((Path(__file__).parents[2] / "safeguards" / "ray_mask.py").read_text())
    cell = dataclasses.replace(CELL, safeguard=str(own))
    assert not prepare(cell).built_in
    with caching(tmp_path / "cache") as cache:
        run(cell)
    assert kept(cache) == []


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, uncached):
    (tmp_path / "file").write_text("")
    with caching(tmp_path / "file" / "cache"):
        assert untimed(run(CELL)) == untimed(uncached)


def test_a_result_records_the_options_of_every_program(uncached):
    recorded = uncached.provenance.environment
    assert recorded["compiler option of start: xla_backend_optimization_level"] == "0"
    assert recorded["compiler option of training: xla_backend_optimization_level"] == "1"
    assert recorded["compiler option of evaluation: xla_backend_optimization_level"] == "1"


def test_only_training_through_mjx_of_several_joints_emits_loops_the_older_way(task_of):
    def older(kind, task, physics):
        return not programs.options(kind, task_of(task, physics).dynamics)["xla_cpu_use_fusion_emitters"]

    assert older("training", "quadrotor", "mjx")
    assert not older("evaluation", "quadrotor", "mjx")
    assert not older("training", "quadrotor", "compiled")
    assert not older("training", "pendulum", "mjx")
    assert not older("training", "energy", "mjx")


def test_an_accelerator_is_told_nothing_that_is_for_processors(monkeypatch):
    dynamics = prepare(CELL).task.dynamics
    assert programs.options("training", dynamics)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert programs.options("training", dynamics) == {}
    assert programs.recorded(dynamics) == {}


def test_random_keys_pass_through_a_stored_program():
    keys = jax.random.split(jax.random.key(0, impl=programs.STREAM), 3)

    def draw(tree):
        return {"keys": jax.vmap(jax.random.split)(tree)[:, 0], "drawn": jax.vmap(jax.random.uniform)(tree)}

    shapes = jax.eval_shape(lambda: keys)
    program = programs.stored(draw, shapes, jax.eval_shape(draw, shapes), "draw", {}, {})
    found, expected = program.compile()(keys), jax.jit(draw)(keys)
    np.testing.assert_array_equal(found["drawn"], expected["drawn"])
    np.testing.assert_array_equal(*(jax.random.key_data(tree["keys"]) for tree in (found, expected)))


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_again_afterwards(enabled):
    def failing():
        with programs.uncollected():
            assert not gc.isenabled()
            raise KeyError

    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError):
            failing()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
