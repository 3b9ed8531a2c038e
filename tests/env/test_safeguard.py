"""The frame around safeguards: its last line holds whatever the map inside it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_action_sets import broken_rows, exact_slacks, proposals, random_sets

from safebench.env.safeguard import guard

ROWS = 24
BROKEN = {
    "does nothing": lambda a, actions: a,
    "overshoots": lambda a, actions: actions.centre + 5 * (a - actions.centre),
    "leaves the box": lambda a, actions: a + 100.0,
    "returns NaN": lambda a, actions: a * jnp.nan,
    "returns infinity": lambda a, actions: a + jnp.inf,
    "misses by a little": lambda a, actions: a * 1.00001,
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_last_line_holds_when_the_solver_is_broken(dtype):
    sets = random_sets(0, 512, ROWS, 2, dtype)
    proposed = proposals(1, sets)
    depth = exact_slacks(sets, proposed) / (np.abs(np.asarray(sets.normals)).sum(-1) + 1e-30)
    unsafe = (depth < -1e-5).any(axis=1)

    @jax.jit
    def run(a, s):
        return {
            fault: jax.vmap(
                jax.value_and_grad(lambda a, s, f=f: (jnp.sum((o := guard(a, s, f)).action), o), has_aux=True)
            )(a, s)
            for fault, f in BROKEN.items()
        }

    for fault, ((_, out), gradient) in run(proposed, sets).items():
        assert np.asarray(out.last_line)[unsafe].all(), fault
        assert broken_rows(sets, proposed, out, strict=False) == 0, fault
        assert (np.abs(out.action) <= 1).all(), fault
        assert np.isfinite(out.action).all(), fault
        if "returns" not in fault:
            assert np.isfinite(gradient).all(), fault
