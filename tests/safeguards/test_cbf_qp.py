"""The barrier condition: stricter than the set, and the projection at rate 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_action_sets import exact_slacks, proposals, random_sets

from safebench import registry
from safebench.env.action_set import ActionSet

ROWS = 24


@pytest.mark.slow
def test_the_barrier_condition_is_stricter_than_the_set():
    """cbf-qp: rate 1 is the projection; a smaller rate keeps more margin, and never leaves the set."""
    cbf = registry.load("safeguard", "cbf-qp")
    projection = registry.load("safeguard", "boundary-projection").make()
    sets = random_sets(0, 512, ROWS, 2)
    proposed = proposals(1, sets)
    full = jax.jit(jax.vmap(cbf.make(cbf.Config(rate=1.0))))(proposed, sets)
    nearest = jax.jit(jax.vmap(projection))(proposed, sets)
    np.testing.assert_allclose(full.action, nearest.action, atol=1e-12)
    rate = 0.3
    out = jax.jit(jax.vmap(cbf.make(cbf.Config(rate=rate))))(proposed, sets)
    kept = exact_slacks(sets, out.action)[:, :ROWS] - (1 - rate) * np.asarray(sets.barrier)
    at_centre = exact_slacks(sets, sets.centre)[:, :ROWS] - (1 - rate) * np.asarray(sets.barrier)
    scale = np.abs(np.asarray(sets.normals)).sum(axis=-1)[:, :ROWS] + 1e-300
    assert (kept >= np.minimum(at_centre, 0) - 1e-12 * scale).all()
    assert out.distance.mean() > full.distance.mean()
    with pytest.raises(ValueError, match="barrier"):
        cbf.make()(proposed[0], ActionSet(sets.normals[0], sets.offsets[0], sets.centre[0]))
    with pytest.raises(ValueError, match="shape"):
        cbf.make()(proposed[0], jax.tree.map(lambda x: x[0], sets)._replace(barrier=jnp.ones(3)))
