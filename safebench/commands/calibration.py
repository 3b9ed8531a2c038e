"""A fixed loop that is timed beside every benchmark: its time says how fast the machine was just then."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.commands import stopwatch
from safebench.commands.stopwatch import Seconds

SIZE, ROUNDS, REPEATS = 256, 32, 7
"""Never to be changed: times of another loop cannot be compared."""


class Calibration(NamedTuple):
    """The median time of the loop by either clock, and on what it and the benchmark ran.

    device: the kind of the first of `devices`. precision: of physics and safety.
    """

    wall_seconds: float
    cpu_seconds: float
    device: str
    devices: int
    precision: str


@functools.partial(jax.jit, static_argnames="rounds")
def loop(x: Float[Array, "n n"], rounds: int = ROUNDS) -> Float[Array, "n n"]:
    """A matrix product and a cosine of every entry, again and again."""
    # A cosine keeps entries away from zero: subnormal numbers would take longer.
    return jax.lax.fori_loop(0, rounds, lambda _, y: jnp.cos(y @ x), x)


def samples(repeats: int = REPEATS) -> list[Seconds]:
    """How long the loop takes now, several times."""
    x = jax.random.normal(jax.random.key(0), (SIZE, SIZE), jnp.zeros(0).dtype) / SIZE**0.5
    return stopwatch.samples(loop, (x,), repeats)


def summarise(taken: Sequence[Seconds]) -> Calibration:
    """The calibration of a benchmark during which the loop took these times."""
    seconds = stopwatch.median(taken)
    return Calibration(seconds.wall, seconds.cpu, *_machine())


def where() -> str:
    """On what a benchmark runs, in words."""
    device, devices, precision = _machine()
    return f"{device} (devices: {devices}), {precision}"


def _machine() -> tuple[str, int, str]:
    devices = jax.devices()
    return devices[0].device_kind, len(devices), str(jnp.zeros(0).dtype)
