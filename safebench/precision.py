"""Floating-point precision and compilation settings, made once per process before any jax array exists."""

import contextlib
import importlib
import io
import os
from pathlib import Path
from typing import Literal

import jax

Precision = Literal["float64", "float32"]


def configure(precision: Precision = "float64", cache: bool = True) -> None:
    """Set jax up for safebench: physics and safety in `precision`, exact matmuls, a compilation cache.

    The cache lives in `$SAFEBENCH_CACHE`, or `~/.cache/safebench`; it turns the seconds that a
    differentiated MJX program takes to compile into a file read on every later run.

    Raises:
        ValueError: if `precision` is neither "float64" nor "float32".
    """
    if precision not in ("float64", "float32"):
        raise ValueError(f"precision must be 'float64' or 'float32', not {precision!r}")
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("mujoco.mjx")  # prints about its optional back ends when first imported
    jax.config.update("jax_enable_x64", precision == "float64")
    # TF32 matmuls on GPUs lose 13 bits: enough to leave a safe set.
    jax.config.update("jax_default_matmul_precision", "highest")
    if cache:
        default = Path.home() / ".cache" / "safebench"
        folder = Path(os.environ.get("SAFEBENCH_CACHE", default)) / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
