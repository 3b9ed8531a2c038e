"""Compile times are measured, and not read from a cache."""

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache
from rich.console import Console

from safebench.commands import bench, bench_parts


def test_compile_times_are_not_those_of_a_cache_whatever_ran_before(monkeypatch, tmp_path):
    """jax reads once whether there is a cache, at the first program: here the calibration loop's."""
    kept = {}

    def part(name, factor):
        def compile_something(job):
            jax.jit(lambda x: factor * jnp.sin(x)).lower(jnp.zeros(factor)).compile()
            kept[name] = {path.name for path in tmp_path.iterdir() if "lambda" in path.name}
            return bench_parts.Measured([], [])

        return compile_something

    options = {"jax_compilation_cache_dir": str(tmp_path), "jax_persistent_cache_min_compile_time_secs": 0.0}
    before = {name: jax.config.values[name] for name in options}
    parts = {name: part(name, factor) for factor, name in enumerate(("filter", "physics", "safeguards"), 3)}
    monkeypatch.setattr(bench, "PARTS", parts)
    try:
        for name, value in options.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        bench.run(list(parts), [], {}, "mjx", None, Console(quiet=True))
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
    assert kept["filter"]  # the control: what others compile is kept
    assert kept["physics"] == kept["filter"] < kept["safeguards"]
