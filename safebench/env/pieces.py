"""Long batches in pieces: what XLA needs meanwhile stays in the processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

PIECE = 128
"""Members at a time on a CPU. More of them cost more each: XLA maps its scratch memory anew at every call."""

ENOUGH = 2 * PIECE
"""Up to here a batch goes through whole."""


def mapped(function: Callable) -> Callable:
    """`jax.vmap(function)`, along leading axes; on a CPU a long batch goes through in pieces, in order.

    The same numbers and derivatives up to rounding. An accelerator gets the batch as it is.
    """
    every = jax.vmap(function)

    def call(*arguments: Any) -> Any:
        count = len(jax.tree.leaves(arguments)[0])
        if count <= ENOUGH or jax.default_backend() != "cpu":
            return every(*arguments)
        pieces, rest = divmod(count, PIECE)
        # Not `jax.lax.map`: it refuses leaves without elements, which tasks without goals have.
        inside = jax.tree.map(lambda leaf: _shaped(leaf[: count - rest], (pieces, PIECE)), arguments)
        _, found = jax.lax.scan(lambda _, piece: (None, every(*piece)), None, inside)
        found = jax.tree.map(lambda leaf: _shaped(leaf, (count - rest,), axes=2), found)
        if rest:
            tail = every(*jax.tree.map(lambda leaf: leaf[count - rest :], arguments))
            found = jax.tree.map(lambda most, last: jnp.concatenate([most, last]), found, tail)
        return found

    return call


def _shaped(leaf: Any, leading: tuple[int, ...], axes: int = 1) -> Any:
    return leaf.reshape(leading + leaf.shape[axes:])
