"""Models of the shipped tasks for a second opinion: closed forms by hand, remainders by ball arithmetic.

Nothing is shared with safebench.sets or safebench.physics. Balls are python-flint's `arb` (Johansson 2017,
Arb: efficient arbitrary-precision midpoint-radius interval arithmetic); what is linear stays rational.
"""

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import arb

Array = np.ndarray
Box = tuple[Array, Array]
"""(lower, upper)."""

exact = np.frompyfunc(Fraction, 1, 1)
"""Floating-point numbers as the rationals that they are."""

SUMS = 2.0**-40  # relative error allowed to floating-point sums of fewer than 1000 terms: 2^13 roundings


# ---------------------------------------------------------------------------- systems, by hand


class Mechanism(NamedTuple):
    """Semi-implicit Euler of accelerations that are affine in the action.

    accelerations: (q and v, actions, sine, cosine) -> list, on any numbers with + - * /.
    disturbance_input: (v, q), what a unit disturbance adds to the accelerations.
    cuts: how many cells each coordinate of the state is cut into.
    """

    accelerations: Callable[..., list]
    time_step: float
    disturbance_input: Array
    actions: int
    cuts: dict[int, int]


class Linear(NamedTuple):
    """x+ = state x + action a + noise w, held about an origin."""

    state: Array
    action: Array
    noise: Array
    origin: Array


def _pendulum(x, a, sine, cosine):
    return [3.0 * (30.0 * a[0] + 0.5 * 9.81 * sine(x[0]))]


def _cartpole(x, a, sine, cosine):
    """Barto, Sutton and Anderson (1983), the equations without friction."""
    s, c = sine(x[1]), cosine(x[1])
    push = (10.0 * a[0] + 0.05 * (x[3] * x[3]) * s) / 1.1
    pole = (9.8 * s - c * push) / (2.0 / 3.0 - 0.05 / 1.1 * (c * c))
    return [push - 0.05 / 1.1 * (pole * c), pole]


def _quadrotor(x, a, sine, cosine):
    thrust = 9.81 + 6.0 / 7.0 * a[0]
    roll = 55.0 * (np.pi / 12.0) * a[1] - 70.0 * x[2] - 17.0 * x[5]
    return [thrust * sine(x[2]), thrust * cosine(x[2]) - 9.81, roll]


def _household() -> Linear:
    """Walter et al., arXiv 2506.01665: battery, room and floor-heating return temperature by the hour."""
    leak, warm, water = 1.36 / (0.26 * 240.0), 1.1 / (0.26 * 240.0), 1.1 / 1.1625
    return Linear(
        state=np.array([[1.0, 0.0, 0.0], [0.0, 1.0 - leak, warm], [0.0, water, 1.0 - water]]),
        action=np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 3.01 / 1.1625 * 5.0]]),
        noise=np.array([[0.0], [1.0 / 240.0], [0.0]]),
        origin=np.array([5.0, 21.0, (leak * 21.0 - 15.0 / 240.0) / warm]),
    )


SYSTEMS: dict[str, Mechanism | Linear] = {
    "pendulum": Mechanism(_pendulum, 0.05, np.ones((1, 1)), 1, {0: 32768}),
    "cartpole": Mechanism(_cartpole, 0.02, np.array([[0.0], [1.0]]), 1, {1: 256, 3: 128}),
    "quadrotor": Mechanism(_quadrotor, 0.05, np.eye(3)[:, :2], 2, {2: 8192}),
    "energy": _household(),
}


# ---------------------------------------------------------------------------- balls with derivatives


class Dual:
    """A ball and the balls of its derivatives by some variables (forward mode)."""

    __slots__ = ("slope", "value")

    def __init__(self, value: arb, slope: dict[int, arb] | None = None):
        self.value, self.slope = value, slope or {}

    def _chain(self, value, factor, other=None, second=None):
        slope = {j: factor * d for j, d in self.slope.items()}
        for j, d in other.slope.items() if other else ():
            slope[j] = slope[j] + second * d if j in slope else second * d
        return Dual(value, slope)

    def __add__(self, other):
        other = _dual(other)
        return self._chain(self.value + other.value, arb(1), other, arb(1))

    def __sub__(self, other):
        other = _dual(other)
        return self._chain(self.value - other.value, arb(1), other, arb(-1))

    def __mul__(self, other):
        other = _dual(other)
        return self._chain(self.value * other.value, other.value, other, self.value)

    def __truediv__(self, other):
        other = _dual(other)
        ratio = self.value / other.value
        return self._chain(ratio, 1 / other.value, other, -ratio / other.value)

    def __rsub__(self, other):
        return _dual(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def sin(self):
        sine, cosine = self.value.sin_cos()
        return self._chain(sine, cosine)

    def cos(self):
        sine, cosine = self.value.sin_cos()
        return self._chain(cosine, -sine)


def _dual(x) -> Dual:
    return x if isinstance(x, Dual) else Dual(arb(x))


def _sine(x):
    return x.sin()


def _cosine(x):
    return x.cos()


def _ball(x: arb) -> tuple[float, float]:
    """(middle, radius) of a slightly larger ball with floating-point ends."""
    middle = float(x.mid())
    return middle, float(x.rad()) * (1 + 2.0**-40) + abs(middle) * 2.0**-50 + 1e-290


class Model(NamedTuple):
    """y+ in state y + action a + {r : g . r <= support(g)}, y about origin. Exact rationals.

    moved: per coordinate, the largest sum of absolute terms of one step.
    """

    origin: Array
    state: Array
    action: Array
    support: Callable[[Array], Fraction]
    moved: Array


def linear_model(system: Linear, constraints: Box, disturbance: Box, granted: Array) -> Model:
    """No remainder but the drift of the origin, the disturbance and the rounding that is granted."""
    state, action, noise, origin = (exact(part) for part in system)
    low, high = (exact(end) for end in disturbance)
    drift = state @ origin - origin

    def support(g: Array) -> Fraction:
        return g @ drift + _swing(g @ noise, low, high) + abs(g) @ granted

    largest = exact(np.maximum(*map(np.abs, constraints)))
    moved = abs(state) @ largest + abs(action).sum(axis=1) + abs(noise) @ np.maximum(abs(low), abs(high))
    return Model(origin, state, action, support, np.maximum(moved, largest))


def _swing(rates: Array, low: Array, high: Array) -> Fraction:
    return sum((max(c * a, c * b) for c, a, b in zip(rates, low, high, strict=True)), Fraction(0))


def mechanical_model(system: Mechanism, constraints: Box, disturbance: Box, granted: Array) -> Model:
    """The linear model at the centre, and the mean value form of the rest on every cell.

    On a cell with centre c and radii rad (actions at their ends: the accelerations are affine in them),
    u . rho <= u . rho(c) + sum_j |u . (J(cell) - J0)_j| rad_j, rho = acc - J0 (y, a).
    """
    n, m, joints = len(constraints[0]), system.actions, len(system.disturbance_input)
    middle = 0.5 * (constraints[0] + constraints[1])
    flat = [Dual(arb(float(z)), {j: arb(1)}) for j, z in enumerate([*middle, *np.zeros(m)])]
    at_centre = system.accelerations(flat[:n], flat[n:], _sine, _cosine)
    slope = np.array([[float(row.slope.get(j, arb(0)).mid()) for j in range(n + m)] for row in at_centre])

    ranges: list[Sequence[tuple[float, float]]] = []
    for j in range(n):
        edges = np.linspace(constraints[0][j], constraints[1][j], system.cuts.get(j, 1) + 1)
        edges[-1] = constraints[1][j]
        ranges.append(list(itertools.pairwise(map(float, edges))))
    cells = itertools.product(*ranges, *([[(-1.0, -1.0), (1.0, 1.0)]] * m))
    rows = [_cell(system, cell, middle, slope) for cell in cells]
    centre, rest, swings, largest = (np.array(part) for part in zip(*rows, strict=True))
    size = (np.abs(centre) + rest + np.abs(swings).sum(axis=1)).max(axis=0)

    step = Fraction(system.time_step)
    euler, gain = exact(np.eye(n)), exact(np.zeros((n, joints)))
    for i in range(joints):
        euler[i, joints + i] = step
        gain[i, i], gain[joints + i, i] = step * step, step
    origin, noise = exact(middle), gain @ exact(system.disturbance_input)
    low, high = (exact(end) for end in disturbance)
    drift = euler @ origin - origin

    def support(g: Array) -> Fraction:
        u = np.array([float(c) for c in g @ gain])
        bounds = centre @ u + rest @ np.abs(u) + np.abs(swings @ u).sum(axis=1)
        nonlinear = float(bounds.max()) + SUMS * float(np.abs(u) @ size)
        return Fraction(nonlinear) + g @ drift + _swing(g @ noise, low, high) + abs(g) @ granted

    reach = exact(np.maximum(*map(np.abs, constraints)))
    moved = abs(euler) @ reach + abs(gain) @ exact(largest.max(axis=0))
    moved = moved + abs(noise) @ np.maximum(abs(low), abs(high))
    jacobian = gain @ exact(slope)
    return Model(origin, euler + jacobian[:, :n], jacobian[:, n:], support, moved)


def _cell(system: Mechanism, cell, middle: Array, slope: Array) -> tuple[list, list, list, list]:
    """Per joint: middle of rho(c); what is left over; swing of each variable; the largest acceleration."""
    n, joints = len(middle), len(slope)
    centres = [0.5 * (low + high) for low, high in cell]
    radii = [max(high - c, c - low) * (1 + 2.0**-50) for (low, high), c in zip(cell, centres, strict=True)]
    points = [arb(c) for c in centres]
    values = system.accelerations(points[:n], points[n:], _sine, _cosine)
    balls = [
        Dual(arb(c, rad), {j: arb(1)}) if rad else Dual(arb(c))
        for j, (c, rad) in enumerate(zip(centres, radii, strict=True))
    ]
    over = system.accelerations(balls[:n], balls[n:], _sine, _cosine)
    centre, rest, largest = [0.0] * joints, [0.0] * joints, [0.0] * joints
    swings = [[0.0] * joints for _ in cell]
    for i, (value, bound) in enumerate(zip(values, over, strict=True)):
        for j, point in enumerate(points):
            if slope[i, j]:
                value = value - arb(slope[i, j]) * (point - arb(float(middle[j])) if j < n else point)
        centre[i], rest[i] = _ball(value)
        largest[i] = sum(map(abs, _ball(bound.value)))
        for j, rad in enumerate(radii):
            derivative = bound.slope.get(j)
            if rad and (derivative is not None or slope[i, j]):
                mid, spread = _ball((derivative or arb(0)) - arb(slope[i, j]))
                swings[j][i] = mid * rad
                rest[i] += (spread * rad + abs(mid) * rad * 2.0**-50) * (1 + 2.0**-50)
    return centre, rest, swings, largest
