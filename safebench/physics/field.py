"""A system's accelerations over a constraint box, and what their program tells about their shape."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.physics import taylor
from safebench.physics.expression import Expression, Graph, Number, Program, degrees, program, run
from safebench.sets.polytope import Box

Array = np.ndarray

MOST_ENDS = 6  # coordinates covered by their end points: 64 corners
NEAR = 2.0**-10  # half the width of the cube on which the Jacobian at the origin is taken


class Field(NamedTuple):
    """rho(z) = acc(z) - slope (z - origin), for z = (q, v, a) in `domain`.

    code: outputs are the v accelerations, then expressions that must have no zero.
    cut: variables that a cell has a slope and a curve for. pairs: of them, that it has a cross term for.
    ends: variables covered by their end points: accelerations are of degree 1 in each, the rest free of them.
    """

    code: Program
    domain: Box
    origin: Float[Array, " z"]
    slope: Float[Array, "v z"]
    cut: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    ends: tuple[int, ...]


def field_of(graph: Graph, accelerations: Sequence[Number], constraints: Box) -> Field:
    """The field of accelerations of (q, v, a) over a constraint box; its origin is the centre of the box.

    Raises:
        ValueError: if the accelerations are not affine in the actions or not differentiable at the origin.
    """
    joints, variables = len(accelerations), len(graph.inputs)
    ones = np.ones(variables - 2 * joints)
    domain = Box(np.concatenate([constraints.lower, -ones]), np.concatenate([constraints.upper, ones]))
    origin = np.concatenate([constraints.centre, 0.0 * ones])
    code = program(graph, [*accelerations, *_folded_denominators(graph, accelerations)])
    if max(degrees(code, range(2 * joints, variables))[:joints]) > 1:
        raise ValueError("the accelerations are not affine in the actions")
    slope, monomials = _expansion(code, joints, origin)
    bent = {j for monomial in monomials if len(monomial) > 1 for j in monomial}
    joined = sorted(bent | {j for j in range(variables) if any(degrees(code, [j])[joints:])})
    # Actions first, then coordinates of degree 1 in every acceleration and 0 in what must have no zero.
    ends = [
        j
        for j in sorted(joined, key=lambda j: (j < 2 * joints, j))
        if max(degrees(code, [j])[:joints]) <= 1 and not any(degrees(code, [j])[joints:])
    ][:MOST_ENDS]
    cut = [j for j in joined if j not in ends]
    pairs = [pair for pair in itertools.combinations(cut, 2) if any(set(pair) <= set(m) for m in monomials)]
    return Field(code, domain, origin, slope, tuple(cut), tuple(pairs), tuple(sorted(ends)))


def _folded_denominators(graph: Graph, outputs: Sequence[Number]) -> list[Expression]:
    """What the graph divides by but the program for `outputs` does not."""
    seen: set[Expression] = set()
    pending = [root for root in outputs if isinstance(root, Expression)]
    divided: set[Expression] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.operation == "div":
            divided.add(node.arguments[1])
        pending.extend(x for x in node.arguments if isinstance(x, Expression))
    return [y for y in graph.denominators if y not in divided]


def _expansion(code: Program, joints: int, origin: Array) -> tuple[Float[Array, "v z"], set[tuple[int, ...]]]:
    """The Jacobian at the origin to rounding, and the monomials that a Taylor expansion there has."""
    near = [taylor.variable(j, x - NEAR, x + NEAR) for j, x in enumerate(origin)]
    with np.errstate(all="ignore"):
        outputs = [taylor.model(x) for x in run(code, near, taylor.sin, taylor.cos)[:joints]]
    half = [x.terms[j,] for j, x in enumerate(near)]
    slope = np.array([[x.terms.get((j,), 0.0) / h for j, h in enumerate(half)] for x in outputs], float)
    if not np.isfinite(slope).all():
        raise ValueError("the accelerations have no finite Jacobian at the centre of the constraint box")
    return slope, {monomial for x in outputs for monomial in x.terms}
