"""Floating-point precision and compilation settings, made once per process before any jax array exists."""

import os
from pathlib import Path
from typing import Literal, get_args

import jax
import jax.numpy as jnp

Precision = Literal["float64", "float32"]
OTHER: dict[Precision, tuple] = {
    "float64": (jnp.float32, jnp.complex64),
    "float32": (jnp.float64, jnp.complex128),
}
"""What arrays must not be alive when a precision is chosen."""

_asked: list[Precision] = []


def configure(precision: Precision = "float64", *, cache: bool = False) -> None:
    """Set jax up for safebench: the precision of physics and safety, and exact matrix products.

    Call it before the first array is made. Without it, `make`, `filter`, `prove` and `train` choose float64.

    >>> import safebench
    >>> safebench.configure(precision="float64")
    >>> import jax.numpy as jnp
    >>> jnp.zeros(3).dtype
    dtype('float64')

    cache: also keep compiled programs in `$SAFEBENCH_CACHE`, or `~/.cache/safebench`, as the command line
        does, unless jax has a compilation cache already. The seconds that a differentiated MJX program takes
        to compile become a file read; XLA remarks on every one on standard error, unless the environment had
        TF_CPP_MIN_LOG_LEVEL=3 before jax was imported.

    Raises:
        ValueError: if `precision` is neither "float64" nor "float32", or arrays of the other one are alive.
    """
    _check(precision)
    if jax.config.values["jax_enable_x64"] != (precision == "float64"):
        alive = [array for array in jax.live_arrays() if array.dtype in OTHER[precision]]
        if alive:
            raise ValueError(
                f"cannot change to {precision}: {len(alive)} jax arrays of {alive[0].dtype} are alive; call "
                f'safebench.configure(precision="{precision}") before the first array is made, or ask for '
                f"{'float32' if precision == 'float64' else 'float64'} with it"
            )
    start(precision, cache and jax.config.values["jax_compilation_cache_dir"] is None)


def start(precision: Precision = "float64", cache: bool = True) -> None:
    """`configure` as the first thing that a process of our own does: nothing is asked of a device.

    Raises:
        ValueError: if `precision` is neither "float64" nor "float32".
    """
    _check(precision)
    jax.config.update("jax_enable_x64", precision == "float64")
    # TF32 matmuls on GPUs lose 13 bits: enough to leave a safe set.
    jax.config.update("jax_default_matmul_precision", "highest")
    if cache:
        default = Path.home() / ".cache" / "safebench"
        folder = Path(os.environ.get("SAFEBENCH_CACHE", default)) / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    _asked[:] = [precision]


def chosen() -> Precision:
    """The precision that was asked for; float64, set up now, if none was.

    Raises:
        ValueError: as `configure`.
    """
    wanted = _asked[0] if _asked else "float64"
    if not _asked or jax.config.values["jax_enable_x64"] != (wanted == "float64"):
        configure(wanted)
    return wanted


def _check(precision: str) -> None:
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be 'float64' or 'float32', not {precision!r}")
