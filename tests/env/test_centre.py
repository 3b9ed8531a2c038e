"""Safe centres against linear programs and geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog
from synthetic_action_sets import random_sets

from safebench import registry
from safebench.env import centre
from safebench.sets.polytope import Polytope, chebyshev_centre

SETS, ROWS = 64, 12


@pytest.mark.parametrize("m", [1, 2, 3])
def test_chebyshev_centre_matches_the_linear_program(m):
    sets = random_sets(8, SETS, ROWS, m)
    found = np.asarray(jax.jit(jax.vmap(centre.chebyshev))(sets.centre, sets))
    short = []
    for normals, offsets, x in zip(np.asarray(sets.normals), np.asarray(sets.offsets), found, strict=True):
        lengths = np.linalg.norm(normals, axis=1)
        proper = lengths > 0
        rows = normals[proper] / lengths[proper, None], offsets[proper] / lengths[proper]
        radius = (rows[1] - rows[0] @ x).min()
        short.append(chebyshev_centre(Polytope(*rows))[1] - radius)
    assert max(short) <= 4 * m / centre.HEIGHT
    assert np.mean(np.array(short) < 1e-9) > 0.95


@pytest.mark.parametrize("m", [1, 2, 3])
def test_zonotopic_centre_matches_the_linear_program(m):
    sets = random_sets(9, SETS, ROWS, m)
    found = np.asarray(jax.jit(jax.vmap(centre.zonotopic))(sets.centre, sets))
    short = []
    generators = np.eye(m)
    if m == 2:
        generators = np.hstack([generators, np.array([[1, 1], [1, -1]]) / np.sqrt(2)])
    cost = -np.ones(generators.shape[1])
    for normals, offsets, x in zip(np.asarray(sets.normals), np.asarray(sets.offsets), found, strict=True):
        lengths = np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
        normals, offsets = normals / lengths[:, None], offsets / lengths
        reach = np.abs(normals @ generators)
        free = [(None, None)] * m + [(0, None)] * len(cost)
        best = linprog(np.r_[np.zeros(m), cost], np.hstack([normals, reach]), offsets, bounds=free)
        here = linprog(cost, reach, offsets - normals @ x, bounds=(0, None))
        short.append(here.fun - best.fun)
    assert max(short) <= 4 * m / centre.HEIGHT
    assert np.mean(np.array(short) < 1e-8) > 0.95


@pytest.mark.slow
def test_orthogonal_centre_is_half_way_along_the_chord():
    sets = random_sets(10, SETS, ROWS, 2)
    rng = np.random.default_rng(2)
    proposed = jnp.asarray(rng.uniform(-1, 1, (SETS, 2)))
    projection = registry.load("safeguard", "boundary-projection").make()
    projected = np.asarray(jax.jit(jax.vmap(projection))(proposed, sets).action)
    found = np.asarray(jax.jit(jax.vmap(centre.orthogonal))(proposed, sets))
    step = projected - np.asarray(proposed)
    unsafe = np.linalg.norm(step, axis=1) > 1e-6
    assert 0.3 < unsafe.mean() < 0.95
    normals, offsets = np.asarray(sets.normals), np.asarray(sets.offsets)
    for index in np.flatnonzero(unsafe):
        direction = step[index] / np.linalg.norm(step[index])
        rates, room = normals[index] @ direction, offsets[index] - normals[index] @ projected[index]
        chord = (room[rates > 0] / rates[rates > 0]).min()
        np.testing.assert_allclose(found[index], projected[index] + 0.5 * chord * direction, atol=1e-7)
    for index in np.flatnonzero(~unsafe):  # its own chord runs along the normal of the nearest row
        lengths = np.linalg.norm(normals[index], axis=1)
        slack = np.where(lengths > 0, offsets[index] - normals[index] @ proposed[index], np.inf)
        nearest = np.argmin(slack / np.where(lengths > 0, lengths, 1))
        normal = normals[index][nearest] / lengths[nearest]
        v = np.asarray(proposed[index]) - found[index]
        np.testing.assert_allclose(v - (v @ normal) * normal, 0, atol=1e-9)
        assert v @ normal >= -1e-9
