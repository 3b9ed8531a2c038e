"""The three programs of a training: its start, a stretch of updates, an evaluation; what XLA is told of each.

Of safebench's own plug-ins, a program that was traced once is kept beside the compilation cache as what
`jax.export` makes of it, so that the next process neither traces nor compiles it again. The name of the file
holds a digest of all that decides the program (`safebench.runs.kept.identity`). With or without a cache a
cell goes the same way: the same program, so the same bits.
"""

import contextlib
import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from safebench.atomic import replacing
from safebench.physics.dynamics import Dynamics

Kind = Literal["start", "training", "evaluation"]

OPTIONS: Mapping[Kind, Mapping[str, Any]] = MappingProxyType(
    {
        "start": MappingProxyType(
            {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
        ),
        "training": MappingProxyType(
            {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": True}
        ),
        "evaluation": MappingProxyType(
            {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": True}
        ),
    }
)
"""For CPUs, where compiling can take longer than training. Said in full: XLA_FLAGS changes none of it.

The start runs once: optimising it costs more than it saves. At level 1 training and evaluation run as fast as
at XLA's default (3) and compile in two thirds of the time. The older way to emit loops compiles in half, but
training is then a quarter slower and evaluation up to four times.
"""

FEW_JOINTS = 2
"""Of more than these, training through MJX has loops emitted in the older way: with three (the quadrotor) it
compiles in two thirds of the time and runs no slower; with one (the pendulum) it is 7 to 14 % slower."""

STREAM = "threefry2x32"
"""The generator of all random numbers: what a seed means."""

SUFFIX = ".program"


class Program(NamedTuple):
    """A traced program. out: shapes and types of what it gives. compile: makes it ready to call."""

    out: Any
    compile: Callable[[], Callable[[Any], Any]]


def options(kind: Kind, dynamics: Dynamics) -> dict[str, Any]:
    """What XLA is told of a program that contains these dynamics, where that is not its default."""
    if jax.default_backend() != "cpu":
        return dict(dynamics.compiler_options)
    told = {**OPTIONS[kind], **dynamics.compiler_options}
    joints = 0 if dynamics.model is None else dynamics.model.nv
    if kind == "training" and dynamics.physics == "mjx" and joints > FEW_JOINTS:
        told["xla_cpu_use_fusion_emitters"] = False
    return told


def recorded(dynamics: Dynamics) -> dict[str, str]:
    """All options of all programs, as a result's provenance holds them."""
    return {
        f"compiler option of {kind}: {name}": str(value).lower()
        for kind in OPTIONS
        for name, value in options(kind, dynamics).items()
    }


def traced(
    function: Callable[[Any], Any], inputs: Any, compiler_options: Mapping[str, Any], donate: bool = False
) -> Program:
    """The program of a function of one tree, for inputs of these shapes and types.

    donate: the program may use the memory of its inputs.
    """
    with uncollected():
        lowered = jax.jit(
            function, donate_argnums=0 if donate else (), compiler_options=dict(compiler_options)
        ).lower(inputs)
    return Program(lowered.out_info, lowered.compile)


def stored(
    function: Callable[[Any], Any],
    inputs: Any,
    outputs: Any,
    name: str,
    identity: Mapping[str, Any],
    compiler_options: Mapping[str, Any],
    donate: bool = False,
) -> Program:
    """As `traced`, from the disk where it was kept, and kept there if a compilation cache is in use.

    outputs: any tree of the structure that the function gives.
    """
    leaves, structure = jax.tree.flatten(inputs)
    shapes = [jax.eval_shape(_number, leaf) for leaf in leaves]

    def numbers(*arrays: Any) -> list[Any]:
        given = [_typed(array, leaf) for array, leaf in zip(arrays, leaves, strict=True)]
        return [_number(leaf) for leaf in jax.tree.leaves(function(jax.tree.unflatten(structure, given)))]

    path = _path(name, identity)
    exported = None if path is None else load(path)
    if exported is None:
        with uncollected():
            exported = export.export(jax.jit(numbers))(*shapes)
        if path is not None:
            _save(path, exported)
    given_back, results = jax.tree.flatten(outputs)
    assert len(given_back) == len(exported.out_avals), f"{name}: {len(exported.out_avals)} results"

    def call(tree: Any) -> Any:
        found = exported.call(*(_number(leaf) for leaf in jax.tree.leaves(tree)))
        return jax.tree.unflatten(results, map(_typed, found, given_back))

    return traced(call, inputs, compiler_options, donate)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected within: tracing makes many objects and drops few."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _number(leaf: Any) -> Any:
    """A leaf, or the numbers of a random key."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _typed(array: Any, like: Any) -> Any:
    return jax.random.wrap_key_data(array, impl=STREAM) if _is_key(like) else array


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _path(name: str, identity: Mapping[str, Any]) -> Path | None:
    """Where the program is kept; None without a compilation cache."""
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None or not jax.config.values["jax_enable_compilation_cache"]:
        return None
    text = json.dumps({"program": name, **identity}, sort_keys=True)
    return Path(folder) / f"{name}-{hashlib.sha256(text.encode()).hexdigest()}{SUFFIX}"


def load(path: Path) -> export.Exported | None:
    """What was kept there of a program; None if there is nothing, or nothing that can be used."""
    try:
        found = export.deserialize(bytearray(path.read_bytes()))
    except Exception:  # absent, cut off, of another version: it is made again
        return None
    # Calls of LAPACK are looked up where jax registers them: when it lowers one for the first time.
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))
    return found


def _save(path: Path, exported: export.Exported) -> None:
    with contextlib.suppress(OSError), replacing(path) as fresh:  # a full disk costs the next start some time
        fresh.write_bytes(exported.serialize())
