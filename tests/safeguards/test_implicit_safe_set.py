"""The implicit safe set algorithm against a search of its own in numpy, the projection, and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_action_sets import broken_rows, exact_slacks, proposals, random_sets

from safebench import registry
from safebench.env.action_set import with_box
from safebench.env.projection import project
from safebench.env.safeguard import guard

module = registry.load("safeguard", "implicit-safe-set")
COUNT, ROWS = 512, 12


@functools.cache
def searching(count: int, step: float = 0.02):
    config = module.Config(directions=count, step=step)
    return jax.jit(jax.vmap(lambda a, actions: module.search(a, actions, config)))


def entries(sets, proposed, count: int, step: float) -> np.ndarray:
    """(sets, directions): where each ray meets the set, by its rows; infinite where every step misses it."""
    normals, offsets = np.asarray(sets.normals), np.asarray(sets.offsets)
    start, fan = np.clip(np.asarray(proposed), -1, 1), module.directions(proposed.shape[1], count)
    room = (offsets - np.einsum("crm,cm->cr", normals, start))[:, None]
    rates = np.einsum("crm,km->ckr", normals, fan)
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = room / rates
    low = np.where(rates < 0, meets, np.where((rates == 0) & (room < 0), np.inf, 0)).max(axis=-1)
    high = np.where(rates > 0, meets, np.inf).min(axis=-1)
    steps = step * (2.0 ** np.arange(20) - 1)
    hit = ((low[..., None] <= steps) & (steps <= high[..., None])).any(axis=-1)
    return np.where(hit, np.maximum(low, 0), np.inf)


@pytest.mark.parametrize(("m", "count"), [(1, 2), (2, 16), (2, 7), (4, 32)])
def test_the_search_finds_what_rays_and_rows_say(m, count):
    """The nearest entry of all directions, and whether there is one."""
    sets = random_sets(0, COUNT, ROWS, m)
    proposed = jnp.clip(proposals(1, sets), -1, 1)
    found = searching(count)(proposed, sets)
    lengths = entries(sets, proposed, count, 0.02).min(axis=1)
    met, unsafe = np.asarray(found.met), (exact_slacks(sets, proposed) < -1e-9).any(axis=1)
    assert (met[unsafe] == np.isfinite(lengths[unsafe])).all()
    assert met[unsafe].mean() > 0.3
    taken = np.linalg.norm(np.asarray(found.action - proposed), axis=1)[met & unsafe]
    wanted = lengths[met & unsafe]
    assert (taken >= wanted - 1e-12).all()
    # Directions are compared when their lengths are known to 2^-12 of the last step, at most half of them.
    assert (taken <= wanted + (wanted + 0.02) * 2.0**-12).all()


def test_with_one_input_it_is_the_projection():
    sets = random_sets(2, COUNT, ROWS, 1)
    proposed = jnp.clip(proposals(3, sets), -1, 1)
    found = searching(16)(proposed, sets)
    nearest = jax.jit(jax.vmap(project))(proposed, sets)
    np.testing.assert_allclose(found.action, nearest, atol=1e-13)


@pytest.mark.parametrize(("m", "most"), [(2, 1.005), (3, 1.1)])
def test_it_is_never_nearer_than_the_projection_and_closes_in_with_more_directions(m, most):
    sets = random_sets(4, 128, ROWS, m)
    proposed = jnp.clip(proposals(5, sets), -1, 1)
    nearest = np.linalg.norm(np.asarray(jax.jit(jax.vmap(project))(proposed, sets) - proposed), axis=1)
    changed = nearest > 1e-6
    ratios = []
    for count in (16, 256):
        found = searching(count)(proposed, sets)
        distance = np.linalg.norm(np.asarray(found.action - proposed), axis=1)
        assert (distance >= nearest - 1e-13).all()
        ratios.append(distance[changed] / nearest[changed])
    assert np.median(ratios[1]) < most
    assert ratios[1].max() < 1.7
    assert np.median(ratios[0]) > most  # the control: that directions are few is seen


@pytest.mark.parametrize(("m", "count"), [(1, 5), (2, 5), (3, 64), (7, 256)])
def test_directions_are_unit_vectors_that_fill_the_sphere(m, count):
    fan = module.directions(m, count)
    assert fan.shape == (2 if m == 1 else count, m)
    np.testing.assert_allclose(np.linalg.norm(fan, axis=1), 1, rtol=1e-12)
    assert np.array_equal(fan, module.directions(m, count))
    assert len(np.unique(fan.round(9), axis=0)) == len(fan)
    assert np.abs(fan.mean(axis=0)).max() < 0.05
    np.testing.assert_allclose(fan.T @ fan / len(fan), np.eye(m) / m, atol=0.05)


def half_plane(normal, offset, centre):
    rows = jnp.asarray([normal], float)
    return with_box(rows, jnp.asarray([offset], float), jnp.asarray(centre, float))


def test_the_derivative_is_that_along_a_fixed_direction():
    """On n a = b: a_s = a + (b - n a) / (n d) d, so da_s/da = I - d n / (n d), da_s/db = d / (n d)."""
    actions, a = half_plane([1.0, 0.2], 0.3, [-0.5, 0.0]), jnp.array([0.8, 0.1])
    guarded = module.make(module.Config(directions=5))

    def both(a, actions):
        action = guarded(a, actions).action
        return action, action

    (by_a, by_set), action = jax.jit(jax.jacrev(both, (0, 1), has_aux=True))(a, actions)
    fan = module.directions(2, 5)
    normal = np.array([1.0, 0.2])
    length = np.where(fan @ normal < 0, (0.3 - normal @ a) / np.minimum(fan @ normal, -1e-9), np.inf)
    way = fan[np.argmin(length)]
    np.testing.assert_allclose(action, a + length.min() * way, atol=1e-13)
    np.testing.assert_allclose(by_a, np.eye(2) - np.outer(way, normal) / (normal @ way), atol=1e-12)
    np.testing.assert_allclose(by_set.offsets[:, 0], way / (normal @ way), atol=1e-12)
    assert np.abs(np.asarray(by_a) @ way).max() < 1e-12  # moving along the direction changes nothing


def test_where_no_direction_meets_the_set_the_segment_to_the_centre_does():
    """A thin set beside a fan of four: the ray mask's boundary point, and its derivative by differences."""
    normal = np.array([1.0, 2.0]) / np.sqrt(5)
    rows = jnp.asarray(np.stack([normal, -normal]))
    across = normal @ [-0.3, -0.1]
    actions = with_box(rows, jnp.array([across + 1e-4, -across + 1e-4]), jnp.array([-0.3, -0.1]))
    a = jnp.array([0.613, 0.371])
    search = jax.jit(lambda a: module.search(a, actions, module.Config(directions=4)))
    found = search(a)
    assert not found.met
    share = 1e-4 / (normal @ (np.asarray(a) - np.asarray(actions.centre)))
    np.testing.assert_allclose(found.action, actions.centre + share * (a - actions.centre), atol=1e-13)
    jacobian = jax.jacrev(lambda a: search(a).action)(a)
    step = 1e-5
    for axis in np.eye(2):
        ends = [search(a + sign * step * axis).action for sign in (1, -1)]
        np.testing.assert_allclose(jacobian @ axis, (ends[0] - ends[1]) / (2 * step), atol=1e-8)
    near = actions.centre + 3e-4 * normal  # as thin as the set is, steps as short find it from here
    short = module.Config(directions=4, step=1e-4)
    assert jax.jit(lambda a: module.search(a, actions, short))(near).met


def test_a_search_that_asks_about_a_set_too_large_is_caught_by_the_frame():
    """The negative control: what is found in a loosened set breaks rows; the frame lets none of it pass."""
    sets = random_sets(6, COUNT, ROWS, 2)
    proposed = jnp.clip(proposals(7, sets), -1, 1)

    def loosened(actions):
        free = jnp.arange(ROWS + 4) < ROWS
        return actions._replace(
            offsets=actions.offsets + 0.02 * free * jnp.sum(jnp.abs(actions.normals), axis=1)
        )

    def wrong(a, actions):
        return module.search(a, loosened(actions)).action

    raw = jax.jit(jax.vmap(wrong))(proposed, sets)
    assert (exact_slacks(sets, raw) < -1e-9).any(axis=1).mean() > 0.3
    out = jax.jit(jax.vmap(lambda a, actions: guard(a, actions, wrong)))(proposed, sets)
    assert out.last_line.mean() > 0.3
    assert broken_rows(sets, proposed, out, strict=False) == 0
    right = jax.jit(jax.vmap(module.make()))(proposed, sets)
    assert not right.last_line.any()


@settings(max_examples=50, deadline=None)
@given(
    angle=st.floats(0, 2 * np.pi),
    reach=st.floats(0, 0.5),
    centre=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
    a=st.tuples(*2 * [st.floats(-1, 1, allow_subnormal=False)]),
)
def test_any_half_plane_is_kept_and_safe_actions_stay(angle, reach, centre, a):
    normal = np.array([np.cos(angle), np.sin(angle)])
    actions = half_plane(normal, normal @ centre + reach, centre)
    a = jnp.asarray(a, float)
    out = _guarded(a, actions)
    assert np.isfinite(out.action).all()
    room = float(actions.offsets[0]) - normal @ np.asarray(out.action)
    assert room >= -1e-15
    if float(actions.offsets[0]) - normal @ np.asarray(a) > 1e-12:
        assert np.array_equal(out.action, a)
    assert float(out.distance) >= normal @ np.asarray(a) - float(actions.offsets[0]) - 1e-12
    assert not bool(out.last_line)


_guarded = jax.jit(module.make())
