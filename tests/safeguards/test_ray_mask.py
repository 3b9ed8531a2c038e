"""Ray masks: identity where all is safe, determinant, closed-form derivatives, stability, continuity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_action_sets import QUADROTOR, proposals, random_sets

from safebench import registry
from safebench.env.action_set import with_box

SETS, ROWS = 64, 12
COUNT = 4096


def smooth_case(m: int):
    """Sets, proposals and the two gauges x = gamma_S and rho = gamma_A / gamma_S, computed apart."""
    sets = random_sets(4, SETS, ROWS, m)
    proposed = jnp.asarray(np.random.default_rng(5).uniform(-1, 1, (SETS, m)))
    v = np.asarray(proposed - sets.centre)
    normals = np.asarray(sets.normals)
    room = np.asarray(sets.offsets) - np.einsum("crm,cm->cr", normals, sets.centre)
    ratios = np.einsum("crm,cm->cr", normals, v) / room
    x = ratios.max(axis=1)
    return sets, proposed, v, x, ratios[:, -2 * m :].max(axis=1) / x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_linear_ray_mask_is_the_identity_along_safe_rays(dtype):
    sets = random_sets(0, COUNT, *QUADROTOR, dtype)
    slack_rows = sets.offsets.at[: COUNT // 2, :-4].add(
        100 * jnp.abs(sets.normals[: COUNT // 2, :-4]).sum(-1)
    )
    sets = sets._replace(offsets=slack_rows)  # half of the sets are the whole box
    proposed = jnp.clip(proposals(7, sets), -1, 1)
    mask = registry.load("safeguard", "ray-mask").make()
    out = jax.jit(jax.vmap(mask))(proposed, sets)
    same = (np.asarray(out.action) == np.asarray(proposed)).all(axis=1)
    assert same[: COUNT // 2].all()
    assert same[COUNT // 2 :].mean() < 0.1


@pytest.mark.parametrize("m", [1, 2, 4])
def test_linear_mask_has_determinant_rho_to_the_m(m):
    sets, proposed, v, _, rho = smooth_case(m)
    mask = registry.load("safeguard", "ray-mask").make()
    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacrev(lambda a, s: mask(a, s).action)))(proposed, sets))
    np.testing.assert_allclose(np.linalg.det(jacobians), rho**m, rtol=1e-8)
    # Full rank everywhere, and along the ray the scale itself: the map is positively homogeneous.
    np.testing.assert_allclose(np.einsum("cij,cj->ci", jacobians, v), rho[:, None] * v, atol=1e-10)
    assert rho.min() > 0
    assert rho.max() <= 1
    assert rho.min() < 0.5


@pytest.mark.parametrize("m", [1, 2, 4])
def test_hyperbolic_mask_has_the_closed_form_derivatives(m):
    sets, proposed, v, x, rho = smooth_case(m)
    y = 1 / rho
    mask = registry.load("safeguard", "ray-mask-hyperbolic").make()
    out = jax.jit(jax.vmap(mask))(proposed, sets)
    scale = np.tanh(x) / (x * np.tanh(y))
    np.testing.assert_allclose(out.action, np.asarray(sets.centre) + scale[:, None] * v, atol=1e-12)
    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacrev(lambda a, s: mask(a, s).action)))(proposed, sets))
    radial = (1 / np.cosh(x) ** 2) / np.tanh(y)
    np.testing.assert_allclose(np.einsum("cij,cj->ci", jacobians, v), radial[:, None] * v, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(jacobians), radial * scale ** (m - 1), rtol=1e-6, atol=1e-14)
    assert radial.min() > 0


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e-12, 1e-6, 1e-3, 1.0, 1e3])
def test_hyperbolic_mask_is_stable_for_every_gauge(size):
    """tanh(x) / x from tiny to huge gauges: the ray is 0.5 long, the row `size` gauges of it near."""
    mask = registry.load("safeguard", "ray-mask-hyperbolic").make()
    row = with_box(jnp.array([[1.0]]), jnp.array([0.5 / size]), jnp.zeros(1))
    a = jnp.array([0.5])
    x, y = max(size, 0.5), max(2 * size, 1.0)
    value, slope = jax.value_and_grad(lambda a: mask(a, row).action[0])(a)
    np.testing.assert_allclose(value, 0.5 * np.tanh(x) / (x * np.tanh(y)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slope[0], 1 / np.cosh(min(x, 350)) ** 2 / np.tanh(y), rtol=1e-9, atol=1e-15)
    near = jnp.array([0.5 * size * 1e-8]) if size < 1 else a
    assert np.isfinite(jax.grad(lambda a: mask(a, row).action[0])(near)).all()


@pytest.mark.parametrize("kind", ["ray-mask", "ray-mask-hyperbolic"])
def test_the_box_fills_the_set(kind):
    """The boundary of the box lands on the boundary of the set, and proposals beyond it do not pass it."""
    sets, _, v, x, rho = smooth_case(2)
    module = registry.load("safeguard", kind)
    mask = jax.jit(jax.vmap(module.make()))
    centres = np.asarray(sets.centre)
    edge, boundary = (centres + v / gauge[:, None] for gauge in (x * rho, x))
    for factor in (1.0, 1.5, 40.0):
        out = mask(jnp.asarray(centres + factor * (edge - centres)), sets)
        np.testing.assert_allclose(out.action, boundary, atol=1e-9)
        assert not out.last_line.any()


@pytest.mark.slow
def test_orthogonal_mask_is_continuous_where_an_action_becomes_unsafe():
    mask = registry.load("safeguard", "ray-mask")
    apply = mask.make(mask.Config(centre="orthogonal"))
    sets = with_box(jnp.array([[1.0, 0.5], [-0.4, 1.0]]), jnp.array([0.3, 0.5]), jnp.array([-0.5, 0.0]))
    on_row = jnp.array([0.35, -0.1])
    inside, outside = (apply(on_row + s * jnp.array([1.0, 0.5]), sets).action for s in (-1e-7, 1e-7))
    np.testing.assert_allclose(inside, outside, atol=1e-5)
