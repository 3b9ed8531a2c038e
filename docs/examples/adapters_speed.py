"""How long one step takes through each adapter: pendulum, ray mask, compiled physics, the answer waited for.

python docs/examples/adapters_speed.py
"""

import time

import gymnasium
import jax
import numpy as np

import safebench
import safebench.gymnasium
from safebench.gymnasium import SixTuple

ID = "safebench/pendulum-ray-mask-v1"


def median(step, times=1000):
    """Microseconds of one call, after ten to warm up."""
    taken = []
    for _ in range(times + 10):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return 1e6 * float(np.median(taken[10:]))


def adapters():
    """What it is -> (its step, how many environments that steps)."""
    yield "brax", (brax_step(), 1)
    env = gymnasium.make(ID, physics="compiled")
    env.reset(seed=0)
    yield "Gymnasium, the environment alone", (lambda: env.unwrapped.step(np.zeros(1)), 1)
    yield "Gymnasium, as made", (lambda: env.step(np.zeros(1, np.float32)), 1)
    six = SixTuple(env)
    yield "six-tuple around it", (lambda: six.step(np.zeros(1, np.float32)), 1)
    for many in (16, 256, 4096):
        batch = gymnasium.make_vec(ID, many, physics="compiled", autoreset_mode="SameStep")
        batch.reset(seed=0)
        actions = np.zeros((many, 1))
        yield (
            f"Gymnasium, a batch of {many}",
            (lambda batch=batch, actions=actions: batch.step(actions), many),
        )


def brax_step():
    """One compiled step of the environment that all adapters drive."""
    env = safebench.make("pendulum", "ray-mask", physics="compiled")
    state = jax.jit(env.reset)(jax.random.key(0))
    step = jax.jit(env.step)
    return lambda: jax.block_until_ready(step(state, np.zeros(1)))


if __name__ == "__main__":
    for what, (step, many) in adapters():
        taken = median(step)
        print(f"{what}: {taken:.0f} us a step, {taken / many:.2f} us an environment's step")
