"""Does SHAC's gradient point uphill under the passthrough gradient? One task, tuning seeds, two trainings.

python docs/examples/passthrough_angle.py energy 1000000 out.json

A ray mask's action is the same whichever gradient flows through it. So along a training both gradients of one
and the same update can be had, and the exact one is the derivative of what the update is to lower: a
passthrough gradient at more than a right angle to it raises that.
"""

import json
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import safebench
from safebench.learner import TrainingState
from safebench.runs import train
from safebench.runs.cell import Cell
from safebench.runs.prepare import prepare
from safebench.runs.programs import STREAM

SEEDS = (1000, 1001, 1002)
SAFEGUARDS = ("ray-mask", "ray-mask+passthrough")
POINTS = (0, 1, 2, 4, 8, 16, 32, 64)
"""Where gradients are compared: in parts of the last, the whole training."""
DRAWS = 16
"""Of the exploration noise, at every point: a gradient is the mean over them."""


def gradients(update: Callable, state: TrainingState) -> jax.Array:
    """The policy's gradient of an update, for DRAWS draws of its noise: [DRAWS, parameters].

    Adam's first moment, begun at zero, is the gradient up to a factor; its length is in the progress.
    """

    def one(draw: jax.Array) -> jax.Array:
        blank = jax.tree.map(jnp.zeros_like, state.policy_optimiser)
        keys = jax.random.fold_in(state.key, draw)
        following, progress = update(state._replace(policy_optimiser=blank, key=keys))
        moment = ravel_pytree(optax.tree_utils.tree_get(following.policy_optimiser, "mu"))[0]
        return progress.gradient_norm * moment / jnp.linalg.norm(moment)

    return jax.vmap(one)(jnp.arange(DRAWS))


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.vdot(a, b) / (jnp.linalg.norm(a) * jnp.linalg.norm(b))


def compared(exact: jax.Array, other: jax.Array) -> dict[str, jax.Array]:
    """Of both gradients, each [DRAWS, parameters]: cosine and ratio of lengths of their means.

    control: the cosine of the exact gradient's mean over half of the draws with that over the other half.
    """
    half = DRAWS // 2
    return {
        "cosine": cosine(exact.mean(axis=0), other.mean(axis=0)),
        "control": cosine(exact[:half].mean(axis=0), exact[half:].mean(axis=0)),
        "length": jnp.linalg.norm(other.mean(axis=0)) / jnp.linalg.norm(exact.mean(axis=0)),
    }


def training(task: str, interactions: int, safeguard: str) -> list[dict]:
    """A training's points: returns, interventions in the last steps before, and gradients compared."""
    cells = [
        Cell("custom", task, each, "shac", SEEDS, interactions, physics="compiled") for each in SAFEGUARDS
    ]
    exact, other = (prepare(cell) for cell in cells)
    own = (exact, other)[SAFEGUARDS.index(safeguard)]
    updates = interactions // own.learner.interactions // POINTS[-1]
    follow = jax.jit(jax.vmap(train.trained(own, updates)))
    evaluate = jax.jit(jax.vmap(train.evaluated(own)))
    measure = jax.jit(
        jax.vmap(
            lambda state: compared(
                gradients(exact.learner.update, state), gradients(other.learner.update, state)
            )
        )
    )
    state = jax.vmap(train.begun(own))(np.array(SEEDS, np.uint32))
    found = []
    for before, point in zip((0, *POINTS), POINTS, strict=False):
        row = {"interactions": point * updates * own.learner.interactions, "violations": 0, "skipped": 0}
        for _ in range(point - before):
            state, progress = follow(state)
            counted = progress.safety
            row["interventions"] = [float(x) for x in counted.interventions / counted.steps]
            row["violations"] += int(counted.violations.sum())
            row["skipped"] += int(progress.skipped.sum())
        row["returns"] = [float(x) for x in evaluate(state).returns.mean(axis=-1)]
        row |= {name: [float(x) for x in each] for name, each in measure(state).items()}
        found.append(row)
        print(safeguard, row, flush=True)
    return found


def lines(record: dict) -> list[str]:
    """The table in results/paper/README.md; three numbers are of the three seeds."""
    header = ("trained with", "interactions", "return", "interventions %", "cosine", "control", "length")
    found = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for safeguard, points in record["trainings"].items():
        for row in points:
            shares = row.get("interventions")
            entries = (
                safeguard,
                f"{row['interactions']:,}",
                " ".join(f"{each:,.0f}" for each in row["returns"]),
                " ".join(f"{100 * each:.0f}" for each in shares) if shares else "-",
                *(" ".join(f"{each:.2f}" for each in row[name]) for name in ("cosine", "control")),
                " ".join(f"{each:.1f}" for each in row["length"]),
            )
            found.append(f"| {' | '.join(entries)} |")
    return found


if __name__ == "__main__":
    task, interactions, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    safebench.configure()
    with jax.default_prng_impl(STREAM), jax.threefry_partitionable(True):
        trainings = {each: training(task, interactions, each) for each in SAFEGUARDS}
    with open(out, "w") as file:
        json.dump(
            {"task": task, "interactions": interactions, "seeds": SEEDS, "trainings": trainings},
            file,
            indent=1,
        )
