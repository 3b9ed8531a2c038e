"""How the passthrough gradient is held against the exact one: the measuring, and what its record says."""

import json
import runpy
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array

from safebench.learner import Progress

ROOT = Path(__file__).parents[2]
EXAMPLE = runpy.run_path(str(ROOT / "docs" / "examples" / "passthrough_angle.py"))
RECORD = json.loads((ROOT / "docs" / "records" / "passthrough-angle.json").read_text())


class State(NamedTuple):
    policy: dict[str, Array]
    policy_optimiser: Any
    key: Array


def test_the_gradient_of_an_update_is_found_whatever_the_optimiser_held_and_clipped():
    optimiser = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-3, 0.7, 0.95))
    policy = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}

    def loss(policy, noise):
        return policy["b"] * jnp.sum(noise * policy["a"] ** 2)

    def noise(key):
        return jax.random.normal(key, (2,))

    def update(state):
        gradient = jax.grad(loss)(state.policy, noise(state.key))
        norm = optax.global_norm(gradient)
        change, moments = optimiser.update(gradient, state.policy_optimiser, state.policy)
        following = State(optax.apply_updates(state.policy, change), moments, state.key)
        return following, Progress(None, 0.0, 0.0, norm, 0)

    key = jax.random.key(3)
    before = optimiser.update({"a": jnp.ones(2), "b": jnp.array(7.0)}, optimiser.init(policy))[1]
    found = EXAMPLE["gradients"](update, State(policy, before, key))
    assert found.shape == (EXAMPLE["DRAWS"], 3)
    for draw, each in enumerate(found):
        expected = jax.grad(loss)(policy, noise(jax.random.fold_in(key, draw)))
        np.testing.assert_allclose(each, [*expected["a"], expected["b"]], rtol=1e-5)


@pytest.mark.parametrize(("factor", "cosine"), [(3.0, 1.0), (-0.5, -1.0)])
def test_gradients_are_compared_by_the_angle_and_the_length_of_their_means(factor, cosine):
    draws = np.random.default_rng(0).normal(size=(EXAMPLE["DRAWS"], 4)) + 10.0
    found = EXAMPLE["compared"](jnp.asarray(draws), jnp.asarray(factor * draws))
    assert found["cosine"] == pytest.approx(cosine)
    assert found["length"] == pytest.approx(abs(factor))
    assert 0.9 < found["control"] < 1
    alternating = draws * np.where(np.arange(len(draws)) < len(draws) // 2, 1, -1)[:, None]
    assert EXAMPLE["compared"](jnp.asarray(alternating), jnp.asarray(draws))["control"] < -0.9


def seeds(safeguard, least=0.0, most=1.0):
    """Cosine and length of every seed at the points whose share of interventions lies between the two."""
    return [
        (cosine, length)
        for row in RECORD["trainings"][safeguard]
        if "interventions" in row
        for share, cosine, length in zip(row["interventions"], row["cosine"], row["length"], strict=True)
        if least <= share <= most
    ]


def test_the_record_says_what_the_page_of_results_does():
    assert all(cosine > 0.7 for cosine, _ in seeds("ray-mask+passthrough", most=0.8))
    crowded = [each for name in EXAMPLE["SAFEGUARDS"] for each in seeds(name, least=0.95)]
    cosines, lengths = zip(*crowded, strict=True)
    assert -0.45 < min(cosines) < -0.4
    assert 0.75 < max(cosines) < 0.8
    assert 180 < max(lengths) < 190
    begin = [row for rows in RECORD["trainings"].values() for row in rows if row["interactions"] == 0]
    assert all(cosine > 0.96 for row in begin for cosine in row["cosine"])
    exact, passed = (RECORD["trainings"][name][-1] for name in EXAMPLE["SAFEGUARDS"])
    halfway = RECORD["trainings"]["ray-mask+passthrough"][-2]
    assert max(exact["interventions"]) < 0.57
    assert min(passed["interventions"]) > 0.84
    assert max(passed["cosine"]) < 0.5
    assert max(passed["returns"]) < min(exact["returns"])
    assert np.array_equal(
        np.array(passed["returns"]) < np.array(halfway["returns"]), [True, True, False]
    )  # the third was the worst before
    rows = [row for rows in RECORD["trainings"].values() for row in rows]
    control = sorted(each for row in rows for each in row["control"])
    assert control[0] < 0.25
    assert control[1] > 0.66
    assert all(row["violations"] == row["skipped"] == 0 for row in rows)
    assert tuple(RECORD["seeds"]) == EXAMPLE["SEEDS"] == (1000, 1001, 1002)
