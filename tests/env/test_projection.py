"""The projection against independent solvers, and its Jacobian against the theory."""

import functools

import clarabel
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import nnls
from synthetic_action_sets import exact_slacks, random_sets

from safebench.env.action_set import ActionSet, with_box
from safebench.env.projection import nearest, project

TOLERANCE = 1e-9


@functools.cache
def projection():
    return jax.jit(jax.vmap(project))


def clarabel_projection(a, normals, offsets) -> np.ndarray:
    """argmin |x - a|^2 / 2 over normals @ x <= offsets by an interior-point method."""
    lengths = np.linalg.norm(normals, axis=1)
    proper = lengths > 0
    normals, offsets = (
        normals[proper] / lengths[proper, None],
        offsets[proper] / lengths[proper],
    )
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-14
    settings.iterative_refinement_max_iter = 50
    m = len(a)
    cones = [clarabel.NonnegativeConeT(len(offsets))]
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix(np.eye(m)), -a, sparse.csc_matrix(normals), offsets, cones, settings
    )
    return np.asarray(solver.solve().x)


def optimality_error(a, x, normals, offsets) -> float:
    """How far a - x is from the cone of the rows active at x (0 exactly at the projection), by NNLS."""
    lengths = np.linalg.norm(normals, axis=1)
    proper = lengths > 0
    unit, slack = normals[proper] / lengths[proper, None], (offsets - normals @ x)[proper] / lengths[proper]
    active = unit[slack < 1e-12]
    if len(active) == 0:
        return float(np.linalg.norm(a - x))
    return nnls(active.T, a - x)[1]


@pytest.mark.parametrize(
    ("m", "rows"),
    [
        *((1, 30), (2, 400), (4, 50)),
        *(pytest.param(*size, marks=pytest.mark.slow) for size in ((3, 100), (5, 80), (6, 40), (7, 400))),
    ],
)
def test_matches_an_interior_point_solver(m, rows):
    count = 40
    sets = random_sets(m, count, rows, m)
    proposed = np.random.default_rng(m).uniform(-2, 2, (count, m))
    projected = np.asarray(projection()(jnp.asarray(proposed), sets))
    assert (exact_slacks(sets, projected) >= -1e-15).all()
    normals, offsets = np.asarray(sets.normals), np.asarray(sets.offsets)
    for a, x, rows_, bounds in zip(proposed, projected, normals, offsets, strict=True):
        reference = clarabel_projection(a, rows_, bounds)
        assert np.abs(x - reference).max() <= TOLERANCE
        assert optimality_error(a, x, rows_, bounds) <= TOLERANCE


def hard_sets(kind: str, rng, rows: int, m: int) -> ActionSet:
    """Polytopes on which active-set methods cycle or lose digits; the centre is 0."""
    normals = rng.normal(size=(rows, m))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = rng.uniform(0.1, 0.5, rows)
    if kind == "one vertex":  # every row through one point: most vertices are degenerate
        normals = normals * np.sign(normals @ np.full(m, 0.3))[:, None]
        offsets = normals @ np.full(m, 0.3)
        normals, offsets = normals[offsets > 0.05], offsets[offsets > 0.05]
        normals, offsets = np.resize(normals, (rows, m)), np.resize(offsets, rows)
    elif kind == "duplicates":
        normals, offsets = np.repeat(normals[::4], 4, axis=0), np.repeat(offsets[::4], 4)
    elif kind == "lattice":  # few distinct directions and offsets: ties everywhere
        normals = rng.integers(-1, 2, (rows, m)).astype(float)
        offsets = 0.25 * rng.integers(1, 4, rows)
    else:  # pairs of rows at a small angle
        angle = float(kind)
        normals[1::2] = normals[::2] + angle * rng.normal(size=normals[::2].shape)
        offsets[1::2] = offsets[::2] * (1 + 0.3 * angle * rng.normal(size=rows // 2))
    return with_box(jnp.asarray(normals), jnp.asarray(offsets), jnp.zeros(m))


KINDS = ["one vertex", "duplicates", "lattice", "1e-2", "1e-4", "1e-6", "1e-8", "1e-12"]


@pytest.mark.parametrize("m", [2, 4, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_and_nearly_parallel_rows(kind, m):
    rng = np.random.default_rng(7)
    sets = [hard_sets(kind, rng, 40, m) for _ in range(40)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *sets)
    proposed = rng.uniform(-2, 2, (40, m))
    projected = np.asarray(projection()(jnp.asarray(proposed), stacked))
    # Inside to the last bit, and no point of the set is nearer: together, the projection.
    assert (exact_slacks(stacked, projected) >= -1e-15).all()
    # Rows at an angle meet in a vertex that moves by rounding / angle: no float64 input knows it better.
    angle = float(kind) if kind.startswith("1e") else 1.0
    known = max(TOLERANCE, 64 * np.finfo(float).eps / angle)
    for a, x, s in zip(proposed, projected, sets, strict=True):
        normals, offsets = np.asarray(s.normals), np.asarray(s.offsets)
        reference = clarabel_projection(a, normals, offsets)
        assert np.linalg.norm(x - a) - np.linalg.norm(reference - a) <= TOLERANCE
        if angle >= 1e-4:  # below, the interior-point method itself is off by 1e-4
            assert np.abs(x - reference).max() <= known
        if m == 2:
            assert np.abs(x - enumerated_projection(a, normals, offsets)).max() <= known


def enumerated_projection(a, normals, offsets) -> np.ndarray:
    """The nearest of all feasible feet and vertices in the plane, in extended precision."""
    a, normals, offsets = (np.asarray(part, np.longdouble) for part in (a, normals, offsets))
    lengths = np.sqrt((normals**2).sum(axis=1))
    proper = lengths > 0
    normals, offsets = normals[proper] / lengths[proper, None], offsets[proper] / lengths[proper]
    feet = a - (normals @ a - offsets)[:, None] * normals
    i, j = np.triu_indices(len(offsets), 1)
    determinant = normals[i, 0] * normals[j, 1] - normals[i, 1] * normals[j, 0]
    meets = np.abs(determinant) > 1e-16
    i, j, determinant = i[meets], j[meets], determinant[meets]
    across = np.stack(
        [
            offsets[i] * normals[j, 1] - offsets[j] * normals[i, 1],
            offsets[j] * normals[i, 0] - offsets[i] * normals[j, 0],
        ],
        axis=1,
    )
    points = np.concatenate([a[None], feet, across / determinant[:, None]])
    inside = (points @ normals.T <= offsets + np.longdouble(1e-17)).all(axis=1)
    points = points[inside]
    return points[((points - a) ** 2).sum(axis=1).argmin()].astype(float)


def test_an_empty_polytope_ends_the_search():
    normals = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    x = jax.jit(nearest)(jnp.array([0.3, 5.0]), normals, jnp.array([-1.0, -1.0, 2.0]))
    assert np.isfinite(x).all()


@pytest.mark.parametrize("m", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_jacobian_has_rank_m_minus_active_rows(m):
    count = 64
    sets = random_sets(3, count, 20, m)
    step = np.random.default_rng(1).uniform(-1.5, 1.5, (count, m)) * np.linspace(0.01, 1, count)[:, None]
    proposed = sets.centre + step
    projected = projection()(proposed, sets)
    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacrev(project)))(proposed, sets))
    slack = exact_slacks(sets, projected) / np.maximum(np.linalg.norm(sets.normals, axis=-1), 1e-300)
    ranks = []
    for jacobian, row_slack, normals in zip(jacobians, slack, np.asarray(sets.normals), strict=True):
        active = normals[(row_slack < 1e-12) & (np.linalg.norm(normals, axis=1) > 0)]
        lengths = np.linalg.norm(active, axis=1, keepdims=True)
        rank = m - np.linalg.matrix_rank(active / lengths) if len(active) else m
        assert np.linalg.matrix_rank(jacobian, tol=1e-9) == rank
        # An orthogonal projector onto the null space of the active rows.
        np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-9)
        np.testing.assert_allclose(jacobian @ jacobian, jacobian, atol=1e-9)
        ranks.append(rank)
    assert {0, m} <= set(ranks)
