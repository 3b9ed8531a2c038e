"""Scalar expressions with shared sub-expressions, and straight-line programs made from them.

Arithmetic on an `Expression` and floats builds a graph in which equal nodes are one node, constants
are folded, and products with 0 and 1 and sums with 0 vanish, so that code written for the general
case leaves only the operations that a special case needs. A `Program` runs such a graph on any number
type with + - * / : floats, numpy and JAX arrays, intervals, Taylor models, mpmath numbers.

Folding computes in floats: a program equals the formulas it was made from up to rounding of its constants,
and the program is what proofs speak of. `0 * (x / y)` and `0 / y` fold to 0, which holds wherever y is not 0:
a graph therefore remembers everything that it ever divided by, for a proof to check.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

Number = Any  # a float or an Expression while a graph is built; any number type when it is run


class Expression:
    """One node: an operation and its arguments. Build inputs with `Graph.input`, then use operators."""

    __slots__ = ("arguments", "graph", "operation", "order")
    __array_ufunc__ = None  # numpy scalars leave arithmetic to this class

    def __init__(self, graph: "Graph", operation: str, arguments: tuple, order: int):
        self.graph, self.operation, self.arguments, self.order = graph, operation, arguments, order

    def __add__(self, other):
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other):
        return _subtract(self, other)

    def __rsub__(self, other):
        return _subtract(other, self)

    def __mul__(self, other):
        return _multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return _divide(self, other)

    def __rtruediv__(self, other):
        return _divide(other, self)

    def __neg__(self):
        return _negate(self)


class Graph:
    """Holds every node once. Inputs are numbered in the order in which they are made.

    denominators: every expression divided by, also where the quotient was folded away.
    """

    def __init__(self):
        self._nodes: dict[tuple, Expression] = {}
        self.inputs: list[Expression] = []
        self.denominators: list[Expression] = []

    def input(self) -> Expression:
        """A new independent variable."""
        node = self.node("input", len(self.inputs))
        self.inputs.append(node)
        return node

    def node(self, operation: str, *arguments) -> Expression:
        """The node for an operation, made on first use."""
        key = (operation, *arguments)
        if key not in self._nodes:
            self._nodes[key] = Expression(self, operation, arguments, len(self._nodes))
        return self._nodes[key]


def sine(x: Expression) -> Expression:
    """sin of an expression in radians."""
    return x.graph.node("sin", x)


def cosine(x: Expression) -> Expression:
    """cos of an expression in radians."""
    return x.graph.node("cos", x)


def _constant(x: Number) -> bool:
    return not isinstance(x, Expression)


def _negated(x: Number) -> bool:
    return isinstance(x, Expression) and x.operation == "neg"


def _add(x: Number, y: Number) -> Number:
    if _constant(x):
        x, y = y, x
    if _constant(y) and y == 0.0:
        return x
    if _negated(y):
        return _subtract(x, y.arguments[0])
    if _negated(x):
        return _subtract(y, x.arguments[0])
    if not _constant(y) and y.order < x.order:  # one order, so that x + y and y + x are one node
        x, y = y, x
    return x.graph.node("add", x, y)


def _subtract(x: Number, y: Number) -> Number:
    if x is y:
        return 0.0
    if _constant(y):
        return _add(x, -y)
    if _constant(x) and x == 0.0:
        return _negate(y)
    if _negated(y):
        return _add(x, y.arguments[0])
    if _negated(x):
        return _negate(_add(x.arguments[0], y))
    return y.graph.node("sub", x, y)


def _negate(x: Expression) -> Number:
    if x.operation == "neg":
        return x.arguments[0]
    if x.operation == "sub":
        return _subtract(x.arguments[1], x.arguments[0])
    if x.operation == "mul" and _constant(x.arguments[1]):
        return _multiply(x.arguments[0], -x.arguments[1])
    return x.graph.node("neg", x)


def _multiply(x: Number, y: Number) -> Number:
    if _constant(x):
        x, y = y, x
    if _constant(y):
        if y == 0.0:
            return 0.0
        if y == 1.0:
            return x
        if y == -1.0:
            return _negate(x)
        if _negated(x):
            return _multiply(x.arguments[0], -y)
        if x.operation == "mul" and _constant(x.arguments[1]):
            return _multiply(x.arguments[0], x.arguments[1] * y)
        return x.graph.node("mul", x, y)
    if _negated(x):
        return -_multiply(x.arguments[0], y)
    if _negated(y):
        return -_multiply(x, y.arguments[0])
    for one, other in ((x, y), (y, x)):  # constant factors move outwards, where they meet and merge
        if one.operation == "mul" and _constant(one.arguments[1]):
            return _multiply(_multiply(one.arguments[0], other), one.arguments[1])
    if y.order < x.order:
        x, y = y, x
    return x.graph.node("mul", x, y)


def _divide(x: Number, y: Number) -> Number:
    if _constant(y):
        if y == 0.0:
            raise ValueError("an expression is divided by the constant 0")
        return _multiply(x, 1.0 / y)
    if y not in y.graph.denominators:
        y.graph.denominators.append(y)
    if _constant(x) and x == 0.0:
        return 0.0
    return y.graph.node("div", x, y)


class Program(NamedTuple):
    """Straight-line code: the operations in order, each naming earlier values or holding constants.

    operations: (operation, first, second); an argument is an int (index of an earlier value) or a float.
    outputs: ints (indices of values) or floats (constant outputs).
    """

    inputs: int
    operations: tuple[tuple[str, int | float, int | float | None], ...]
    outputs: tuple[int | float, ...]


def program(graph: Graph, outputs: Sequence[Number]) -> Program:
    """The operations that `outputs` need and no others, each once."""
    index: dict[Expression, int] = {node: i for i, node in enumerate(graph.inputs)}
    operations: list[tuple[str, int | float, int | float | None]] = []
    for root in outputs:
        pending = [root] if isinstance(root, Expression) else []
        while pending:
            node = pending[-1]
            if node in index:
                pending.pop()
                continue
            missing = [x for x in node.arguments if isinstance(x, Expression) and x not in index]
            if missing:
                pending.extend(reversed(missing))
                continue
            first, *rest = (index[x] if isinstance(x, Expression) else float(x) for x in node.arguments)
            operations.append((node.operation, first, rest[0] if rest else None))
            index[node] = len(graph.inputs) + len(operations) - 1
            pending.pop()
    ends = tuple(index[x] if isinstance(x, Expression) else float(x) for x in outputs)
    return Program(len(graph.inputs), tuple(operations), ends)


def run(code: Program, inputs: Sequence[Number], sin: Callable, cos: Callable) -> list[Number]:
    """The outputs of a program on numbers of one type; constant outputs come back as floats.

    Raises:
        ValueError: if the number of inputs is not the program's.
    """
    if len(inputs) != code.inputs:
        raise ValueError(f"the program has {code.inputs} inputs, got {len(inputs)}")
    values = list(inputs)

    def value(argument):
        return values[argument] if isinstance(argument, int) else argument

    for operation, first, second in code.operations:
        x, y = value(first), value(second) if second is not None else None
        if operation == "add":
            values.append(x + y)
        elif operation == "sub":
            values.append(x - y)
        elif operation == "mul":
            values.append(x * y)
        elif operation == "div":
            values.append(x / y)
        elif operation == "neg":
            values.append(-x)
        else:
            values.append(sin(x) if operation == "sin" else cos(x))
    return [value(end) for end in code.outputs]


def degrees(code: Program, variables: Collection[int]) -> list[int]:
    """For each output, 0 if the code does not use these inputs, 1 if it is affine in all of them together.

    2 stands for everything else. Read off the operations alone, whatever the constants are.
    """
    known = [int(i in variables) for i in range(code.inputs)]

    def degree(argument) -> int:
        return known[argument] if isinstance(argument, int) else 0

    for operation, first, second in code.operations:
        x, y = degree(first), degree(second)
        if operation in ("add", "sub"):
            known.append(max(x, y))
        elif operation == "mul":
            known.append(min(x + y, 2))
        elif operation == "neg" or (operation == "div" and y == 0):
            known.append(x)
        else:
            known.append(2 if x or y else 0)
    return [degree(end) for end in code.outputs]


def gradients(outputs: Sequence[Number], variables: Sequence[Expression]) -> list[list[Number]]:
    """The Jacobian of `outputs` by `variables`, as expressions of the same graph (forward mode).

    Entries that vanish identically are the float 0.0, so sparsity can be read off.
    """
    known: dict[Expression, dict[Expression, Number]] = {x: {x: 1.0} for x in variables}
    for root in outputs:
        pending = [root] if isinstance(root, Expression) else []
        while pending:
            node = pending[-1]
            missing = [x for x in node.arguments if isinstance(x, Expression) and x not in known]
            if node in known or node.operation == "input":
                known.setdefault(node, {})
                pending.pop()
            elif missing:
                pending.extend(missing)
            else:
                known[node] = _differential(node, known)
                pending.pop()
    tables = [known[x] if isinstance(x, Expression) else {} for x in outputs]
    return [[table.get(variable, 0.0) for variable in variables] for table in tables]


def _differential(node: Expression, known: dict) -> dict[Expression, Number]:
    parts = [
        (partial, known[argument])
        for argument, partial in zip(node.arguments, _partials(node), strict=True)
        if isinstance(argument, Expression)
    ]
    result: dict[Expression, Number] = {}
    for variable in dict.fromkeys(name for _, inner in parts for name in inner):
        total = sum(partial * inner[variable] for partial, inner in parts if variable in inner)
        if isinstance(total, Expression) or total != 0.0:
            result[variable] = total
    return result


def _partials(node: Expression) -> tuple[Number, ...]:
    """The derivative of a node by each of its arguments."""
    x, y = (*node.arguments, None)[:2]
    if node.operation == "add":
        return 1.0, 1.0
    if node.operation == "sub":
        return 1.0, -1.0
    if node.operation == "mul":
        return y, x
    if node.operation == "div":
        return 1.0 / y, -node / y
    if node.operation == "neg":
        return (-1.0,)
    return (cosine(x),) if node.operation == "sin" else (-sine(x),)


def adjoint(output: Expression, variables: Sequence[Expression]) -> list[Number]:
    """The gradient of one output by `variables`, as expressions of the same graph (reverse mode)."""
    order: list[Expression] = []
    seen: set[Expression] = set()
    pending = [output]
    while pending:
        node = pending[-1]
        missing = [x for x in node.arguments if isinstance(x, Expression) and x not in seen]
        if missing and node not in seen:
            pending.extend(missing)
            continue
        pending.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
    totals: dict[Expression, Number] = {output: 1.0}
    for node in reversed(order):
        if node.operation == "input":
            continue
        weight = totals.get(node, 0.0)
        for argument, partial in zip(node.arguments, _partials(node), strict=True):
            if isinstance(argument, Expression):
                totals[argument] = totals.get(argument, 0.0) + weight * partial
    return [totals.get(variable, 0.0) for variable in variables]
