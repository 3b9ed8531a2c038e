"""Floating-point precision, random stream and compilation, settled once per process before any jax array."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from safebench.runs import threads

Precision = Literal["float64", "float32"]
OTHER: dict[Precision, tuple] = {
    "float64": (jnp.float32, jnp.complex64),
    "float32": (jnp.float64, jnp.complex128),
}
"""What arrays must not be alive when a precision is chosen."""

NUMBERS: dict[str, Any] = {
    # TF32 matmuls on GPUs lose 13 bits: enough to leave a safe set.
    "jax_default_matmul_precision": "highest",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_enable_custom_prng": False,
    "jax_high_dynamic_range_gumbel": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_explicit_x64_dtypes": "warn",
    "jax_softmax_custom_jvp": False,
    "jax_use_direct_linearize": True,
    "jax_disable_most_optimizations": False,
    "jax_optimization_level": "UNKNOWN",
    "jax_exec_time_optimization_effort": 0.0,
}
"""Options of jax that decide random numbers and rounding, at jax's own defaults but for the first."""

BEHAVIOUR: dict[str, Any] = {
    "jax_disable_jit": False,
    "jax_no_tracing": False,
    "jax_no_execution": False,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_debug_key_reuse": False,
    "jax_check_tracer_leaks": False,
    "jax_legacy_prng_key": "allow",
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    "jax_transfer_guard": "allow",
    "jax_default_device": None,
}
"""Options with which programs stop, crawl or run elsewhere than the result says; a user's own process keeps
them: there they are for looking into things."""

PLATFORM = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
"""The environment variables that choose the device."""

_asked: list[Precision] = []
_said: set[str] = set()


def configure(precision: Precision = "float64", *, cache: bool = False) -> None:
    """Set jax up for safebench: precision of physics and safety, exact matrix products, one random stream.

    Call it before the first array is made. Without it, `make`, `filter`, `prove` and `train` choose float64.

    >>> import safebench
    >>> safebench.configure(precision="float64")
    >>> import jax.numpy as jnp
    >>> jnp.zeros(3).dtype
    dtype('float64')

    Whatever JAX_DEFAULT_PRNG_IMPL, JAX_RANDOM_SEED_OFFSET, JAX_NUMPY_DTYPE_PROMOTION and their like say, the
    options of jax that decide random numbers and rounding are at jax's defaults from then on, in the whole
    process (`safebench.runs.precision.NUMBERS` lists them): a seed means the same numbers everywhere.

    cache: also keep compiled programs in `$SAFEBENCH_CACHE`, or `~/.cache/safebench`, as the command line
        does, unless jax has a compilation cache already. The seconds that a differentiated MJX program takes
        to compile become a file read; XLA remarks on every one on standard error, unless the environment had
        TF_CPP_MIN_LOG_LEVEL=3 before jax was imported. A folder that cannot be written is named on standard
        error, and there is no cache.

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
    _settle(precision, cache and jax.config.values["jax_compilation_cache_dir"] is None)


def start(precision: Precision = "float64", cache: bool = True) -> None:
    """`configure` as the first thing that a process of our own does: nothing is asked of a device.

    XLA's threads are pinned too, since their number decides the rounding: `safebench.runs.threads`.

    Raises:
        ValueError: if `precision` is neither "float64" nor "float32".
    """
    _check(precision)
    threads.pin()
    _pin(BEHAVIOUR)
    _settle(precision, cache)


def chosen() -> Precision:
    """The precision that was asked for; float64, set up now, if none was.

    Raises:
        ValueError: as `configure`.
    """
    wanted = _asked[0] if _asked else "float64"
    if not _asked or jax.config.values["jax_enable_x64"] != (wanted == "float64"):
        configure(wanted)
    return wanted


def require_device() -> None:
    """Start the devices that jax was told to use.

    Raises:
        ValueError: one line naming the environment variable, its value and what there is, if it cannot.
    """
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # jax asserts that it has a plug-in for cuda
        asked = [name for name in PLATFORM if os.environ.get(name)]
        said = " and ".join(f"{name}={os.environ[name]!r}" for name in asked) or "jax"
        jax.config.update("jax_platforms", None)
        jax.config.update("jax_platform_name", "")
        there = ", ".join(sorted({device.platform for device in jax.devices()}))
        cause = str(error).strip().split("\n")[0].split(" (set ")[0].split(" (you ")[0]  # jax's advice
        raise ValueError(
            f"{said}: no such device can be used here, only: {there}" + (f" ({cause})" if cause else "")
        ) from None


def require_device_elsewhere() -> None:
    """`require_device`, asked of another process: this one must not take a device of its workers.

    Raises:
        ValueError: as `require_device`.
    """
    if any(os.environ.get(name, "cpu") not in ("", "cpu") for name in PLATFORM):
        done = _python("from safebench.runs import precision as p; p.start(cache=False); p.require_device()")
        if done.returncode:
            raise ValueError(
                (done.stderr.strip().splitlines() or ["ValueError: no device"])[-1].partition(": ")[2]
            )


def check_xla_flags() -> None:
    """Refuse XLA_FLAGS that XLA does not know, with which it would end the process; asked of another one.

    Raises:
        ValueError: one line naming the flags.
    """
    flags = os.environ.get("XLA_FLAGS")
    if not flags:
        return
    done = _python("from jaxlib import xla_client; xla_client.make_cpu_client()")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "XLA_FLAGS" in line]
        cause = said[0].split("] ")[-1] if said else "XLA ends the process"
        raise ValueError(f"XLA_FLAGS={flags!r}: {cause}")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def _settle(precision: Precision, cache: bool) -> None:
    jax.config.update("jax_enable_x64", precision == "float64")
    _pin(NUMBERS)
    folder = _cache_folder() if cache else None
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.4)
    _asked[:] = [precision]


def _pin(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name in jax.config.values:  # not every version of jax has all of them
            jax.config.update(name, value)


def _cache_folder() -> Path | None:
    """Where compiled programs are kept; None, said on standard error, where there is no such place."""
    asked = os.environ.get("SAFEBENCH_CACHE")
    try:
        base = Path(asked).expanduser() if asked else Path.home() / ".cache" / "safebench"
        folder = base.absolute() / "xla"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a user without a home folder
        place = repr(asked) if asked else "~/.cache/safebench"
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error).rstrip(".")
        said = f"compiled programs are not kept: {place}: {cause}; SAFEBENCH_CACHE names another folder"
        if sys.stderr is not None and said not in _said:
            print(said, file=sys.stderr)
        _said.add(said)
        return None


def _check(precision: str) -> None:
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be 'float64' or 'float32', not {precision!r}")
