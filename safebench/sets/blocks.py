"""Decoupled blocks of a system: the parts whose states and actions move nothing outside."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components

from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box, Polytope


class Block(NamedTuple):
    """One decoupled part of the system, with its constraint box relative to the origin."""

    states: list[int]
    actions: list[int]
    state: Float[np.ndarray, "n n"]
    action: Float[np.ndarray, "n m"]
    support: Callable[[Float[np.ndarray, "k n"]], Float[np.ndarray, " k"]]
    bounds: Box
    origin: Float[np.ndarray, " n"]
    translated: list[int]


def decouple(inclusion: Inclusion, constraints: Box, translations: list[int]) -> list[Block]:
    """States and actions grouped by who moves whom, in the affine model, relative to the box."""
    n, m = inclusion.action.shape
    radius = constraints.radius
    moves = np.abs(inclusion.state) * radius / radius[:, None] > 1e-9
    pushes = np.abs(inclusion.action) / radius[:, None] > 1e-9
    graph = np.block([[moves, pushes], [np.zeros((m, n)), np.zeros((m, m))]])
    count, label = connected_components(graph, directed=False)
    blocks = []
    for group in range(count):
        states = [i for i in range(n) if label[i] == group]
        actions = [j for j in range(m) if label[n + j] == group]
        if not states:
            raise ValueError(f"action {actions[0]} moves no state")

        def support(directions, states=states):
            full = np.zeros((len(directions), n))
            full[:, states] = directions
            return np.asarray(inclusion.support(full), float)

        origin = inclusion.origin[states]
        bounds = Box(constraints.lower[states] - origin, constraints.upper[states] - origin)
        blocks.append(
            Block(
                states,
                actions,
                inclusion.state[np.ix_(states, states)],
                inclusion.action[np.ix_(states, actions)],
                support,
                bounds,
                origin,
                [states.index(i) for i in translations if i in states],
            )
        )
    return blocks


def embed(rows: Polytope, states: list[int], n: int) -> Polytope:
    """The rows of a block as rows of all `n` states."""
    normals = np.zeros((len(rows.offsets), n))
    normals[:, states] = rows.normals
    return Polytope(normals, rows.offsets)
