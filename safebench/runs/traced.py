"""What a function of a plug-in gives, by tracing it alone: shapes and types, in milliseconds."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from safebench.plugin import speaking


def vector(size: int) -> jax.ShapeDtypeStruct:
    """A vector of jax's own floating-point numbers."""
    return jax.ShapeDtypeStruct((size,), jnp.zeros(0).dtype)


def shapes(tree: Any) -> str:
    """A pytree with types and shapes for leaves, as text."""
    return str(
        jax.tree.map(lambda leaf: f"{np.dtype(leaf.dtype) if _plain(leaf) else leaf.dtype}{leaf.shape}", tree)
    )


def _plain(leaf: Any) -> bool:
    return not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)


def array(
    file: str, name: str, function: Callable, *arguments: Any, kind: Any = np.floating
) -> jax.ShapeDtypeStruct:
    """The one array that a function gives. kind: of its entries, np.floating or np.bool_.

    Raises:
        ValueError: "FILE: NAME() ...", if it gives something else or raises.
    """
    with speaking(file, name):
        found = jax.eval_shape(function, *arguments)
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(f"{file}: {name}() gives {shapes(found)}: expected one array")
    if not jnp.issubdtype(found.dtype, kind):
        words = "booleans" if kind is np.bool_ else "floating-point numbers"
        raise ValueError(f"{file}: {name}() gives {found.dtype}: expected {words}")
    return found
