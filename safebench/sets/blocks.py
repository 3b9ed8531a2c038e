"""Decoupled blocks of a system: the parts whose states and actions move nothing outside."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components

from safebench.sets.inclusion import Inclusion, Shares
from safebench.sets.polytope import Box, Polytope, no_half_spaces


class Block(NamedTuple):
    """One decoupled part of the system, with its constraint box and half-spaces relative to the origin.

    support, shares, magnitude: of the `Inclusion`, for directions and coordinates of these states.
    names, action_names: of the states and actions, "state 3" and "action 0" where they have none.
    """

    states: list[int]
    actions: list[int]
    state: Float[np.ndarray, "n n"]
    action: Float[np.ndarray, "n m"]
    support: Callable[[Float[np.ndarray, "k n"]], Float[np.ndarray, " k"]]
    bounds: Box
    origin: Float[np.ndarray, " n"]
    translated: list[int]
    magnitude: Float[np.ndarray, " n"]
    shares: Callable[[Float[np.ndarray, "k n"]], Shares]
    names: tuple[str, ...]
    action_names: tuple[str, ...]
    half_spaces: Polytope

    @property
    def label(self) -> str:
        """The states by name, in few words."""
        few = self.names if len(self.names) <= 6 else (*self.names[:2], "...", self.names[-1])
        return ", ".join(few)


def decouple(
    inclusion: Inclusion,
    constraints: Box,
    translations: list[int],
    state_names: Sequence[str] = (),
    action_names: Sequence[str] = (),
    half_spaces: Polytope | None = None,
) -> list[Block]:
    """States and actions grouped by who moves whom, in the affine model, relative to the box.

    States that one half-space speaks of belong together.

    Raises:
        ValueError: if an action moves no state, or there are more or fewer names than what they name.
    """
    n, m = inclusion.action.shape
    state_names = named("state", state_names, n)
    action_names = named("action", action_names, m)
    radius = constraints.radius
    cut = half_spaces or no_half_spaces(n)
    spoken = (cut.normals != 0).astype(float)
    moves = np.abs(inclusion.state) * radius / radius[:, None] > 1e-9
    pushes = np.abs(inclusion.action) / radius[:, None] > 1e-9
    graph = np.block([[moves + spoken.T @ spoken, pushes], [np.zeros((m, n)), np.zeros((m, m))]])
    count, label = connected_components(graph, directed=False)
    blocks = []
    for group in range(count):
        states = [i for i in range(n) if label[i] == group]
        actions = [j for j in range(m) if label[n + j] == group]
        if not states:
            raise ValueError(f"{action_names[actions[0]]} moves no state")

        def support(directions, states=states):
            return np.asarray(inclusion.support(_widened(directions, states, n)), float)

        def shares(directions, states=states):
            return inclusion.shares(_widened(directions, states, n))

        origin = inclusion.origin[states]
        own = spoken[:, states].any(axis=1)
        normals = cut.normals[own][:, states]
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
                inclusion.magnitude[states],
                shares,
                tuple(state_names[i] for i in states),
                tuple(action_names[j] for j in actions),
                Polytope(normals, cut.offsets[own] - normals @ origin),
            )
        )
    return blocks


def named(what: str, names: Sequence[str], count: int) -> tuple[str, ...]:
    """The names, or "state 0", "state 1", ... where there are none.

    Raises:
        ValueError: if there are more or fewer than `count`.
    """
    if names and len(names) != count:
        raise ValueError(f"{len(names)} {what} names for {count} {what}s: {', '.join(names)}")
    return tuple(names) or tuple(f"{what} {index}" for index in range(count))


def embed(rows: Polytope, states: list[int], n: int) -> Polytope:
    """The rows of a block as rows of all `n` states."""
    return Polytope(_widened(rows.normals, states, n), rows.offsets)


def _widened(directions: Float[np.ndarray, "k m"], states: list[int], n: int) -> Float[np.ndarray, "k n"]:
    full = np.zeros((len(directions), n))
    full[:, states] = directions
    return full
