"""Boundary projection: a broken solver is counted and stays safe."""

import jax
from synthetic_action_sets import broken_rows, proposals, random_sets

from safebench import registry

ROWS = 24


def test_a_broken_projection_is_counted_and_stays_safe(monkeypatch):
    module = registry.load("safeguard", "boundary-projection")
    sets = random_sets(0, 512, ROWS, 2)
    proposed = proposals(1, sets)
    sound = jax.jit(jax.vmap(module.make()))(proposed, sets)
    monkeypatch.setattr(module, "project", lambda a, actions: 1.3 * a)
    broken = jax.jit(jax.vmap(module.make()))(proposed, sets)
    assert not sound.last_line.any()
    assert broken.last_line.mean() > 0.3
    assert broken_rows(sets, proposed, broken) == 0
    assert broken.distance.mean() > sound.distance.mean()
