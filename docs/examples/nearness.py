"""How much further than the nearest safe action implicit-safe-set goes, and how often its directions miss.

python docs/examples/nearness.py pendulum quadrotor arm7
"""

import sys

import jax
import numpy as np

import safebench
from safebench import registry
from safebench.commands.bench_safeguards import action_sets
from safebench.env.projection import project

module = registry.load("safeguard", "implicit-safe-set")
STATES = 512
"""Of each task's safe set; one uniform proposal at each."""


def nearness(task: str) -> str:
    """One line: inputs, share of proposals changed, share of those that a direction met, distance ratios."""
    sets = action_sets(registry.make_task(task, "compiled"), STATES)
    proposed = np.random.default_rng(0).uniform(-1, 1, sets.centre.shape)
    found = jax.jit(jax.vmap(module.search))(proposed, sets)
    nearest = np.linalg.norm(np.asarray(jax.jit(jax.vmap(project))(proposed, sets)) - proposed, axis=1)
    taken = np.linalg.norm(np.asarray(found.action) - proposed, axis=1)
    changed = nearest > 1e-6
    ratios = np.quantile(taken[changed] / nearest[changed], [0.5, 0.9])
    met = np.asarray(found.met)[changed].mean()
    return (
        f"| {task} | {proposed.shape[1]} | {100 * changed.mean():.0f} % | {100 * met:.0f} % | "
        f"{ratios[0]:.2f} | {ratios[1]:.2f} |"
    )


if __name__ == "__main__":
    safebench.configure()
    for task in sys.argv[1:]:
        print(nearness(task), flush=True)
