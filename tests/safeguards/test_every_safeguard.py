"""The contract of a safeguard, over every registered safeguard and preset: a new one is tested unedited."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_action_sets import ARM, PENDULUM, QUADROTOR, broken_rows, exact_slacks, proposals, random_sets

from safebench import registry
from safebench.env.action_set import slacks, with_box
from safebench.env.safeguard import Guarded
from safebench.runs import presets

COUNT = 4096
SIZES = {"pendulum-like": PENDULUM, "quadrotor-like": QUADROTOR}


def preset_safeguard(name):
    _, module, config = presets.resolve(name)
    return module.make(config)


def distinct_presets() -> list[str]:
    """Presets whose actions differ: not only in the derivative or in what a learner adds to its loss."""
    found = {}
    for name in presets.names():
        registered, _, config = presets.resolve(name)
        fields = {f.name for f in dataclasses.fields(config)}
        plain = {"gradient": "exact", "regularisation": 0.0}
        key = dataclasses.replace(config, **{k: v for k, v in plain.items() if k in fields})
        found.setdefault((registered, key), name)
    return list(found.values())


def some_slow(names):
    """Presets that differ from a quick one only in centre or derivative wait for the slow suite."""
    later = ("boundary-projection+", "+chebyshev", "+zonotopic", "+orthogonal")
    return [
        pytest.param(name, marks=pytest.mark.slow) if any(part in name for part in later) else name
        for name in names
    ]


CERTIFIED = [name for name in distinct_presets() if presets.resolve(name)[1].CERTIFIED]


@functools.cache
def compiled(name: str):
    return jax.jit(jax.vmap(preset_safeguard(name)))


def check_safe(name: str, sizes, dtype, count: int, seed: int = 0) -> Guarded:
    """The safety contract; what `none` must fail."""
    sets = random_sets(seed, count, *sizes, dtype)
    proposed = proposals(seed + 1, sets)
    out = compiled(name)(proposed, sets)
    assert out.action.dtype == dtype
    assert np.isfinite(out.action).all()
    assert broken_rows(sets, proposed, out) == 0
    assert (np.abs(out.action) <= 1).all()
    assert out.feasible.all()
    assert out.finite.all()
    assert not out.last_line.any()
    again = compiled(name)(proposed, sets)
    assert np.array_equal(out.action, again.action)
    distances = np.linalg.norm(np.asarray(out.action - proposed, np.float64), axis=1)
    np.testing.assert_allclose(out.distance, distances, rtol=1e-5 if dtype == np.float32 else 1e-12)
    return out


CASES = [
    ("pendulum-like", np.float64),
    ("quadrotor-like", np.float64),
    pytest.param("quadrotor-like", np.float32, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("size", "dtype"), CASES)
@pytest.mark.parametrize("name", some_slow(CERTIFIED))
def test_actions_lie_in_the_set(name, size, dtype):
    check_safe(name, SIZES[size], dtype, COUNT)


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [*SIZES, "arm-like"])
@pytest.mark.parametrize("name", CERTIFIED)
def test_a_million_actions_lie_in_the_set(name, size, dtype):
    # Seven inputs take minutes per million projections: a twentieth of them.
    for seed in range(1 if size == "arm-like" else 20):
        check_safe(name, (SIZES | {"arm-like": ARM})[size], dtype, 50_000, 1000 * seed)


@pytest.mark.parametrize("size", SIZES)
def test_no_safeguard_fails_the_contract(size):
    with pytest.raises(AssertionError):
        check_safe("none", SIZES[size], np.float64, COUNT)


@pytest.mark.parametrize("name", some_slow(CERTIFIED))
def test_unsafe_actions_are_changed_and_only_those_count(name):
    sets = random_sets(2, COUNT, *QUADROTOR)
    proposed = proposals(3, sets)
    out = compiled(name)(proposed, sets)
    unsafe = (exact_slacks(sets, proposed) < -1e-9).any(axis=1)
    assert 0.2 < unsafe.mean() < 0.9
    assert (np.asarray(out.distance)[unsafe] > 0).all()
    unmoved = (np.asarray(out.action) == np.asarray(proposed)).all(axis=1)
    assert (np.asarray(out.distance)[unmoved] == 0).all()


@pytest.mark.parametrize("name", ["boundary-projection", "replacement", "implicit-safe-set"])
@pytest.mark.parametrize(("size", "dtype"), CASES)
def test_safe_actions_pass_to_the_last_bit(name, size, dtype):
    sets = random_sets(0, COUNT, *SIZES[size], dtype)  # same shapes as above: nothing compiles anew
    proposed = proposals(5, sets)
    safe = (exact_slacks(sets, proposed) >= 0).all(axis=1)
    assert 0.1 < safe.mean() < 0.9
    out = compiled(name)(proposed, sets)
    assert np.array_equal(np.asarray(out.action)[safe], np.asarray(proposed)[safe])
    assert (np.asarray(out.distance)[safe] == 0).all()


ROWS = 24
BATCH = 64


@functools.cache
def differentiated(name: str):
    """(proposal, set, weights) -> (loss, Guarded), gradients; one program per preset for all tests below."""
    safeguard = preset_safeguard(name)

    def loss(a, actions, weights):
        out = safeguard(a, actions)
        return weights[0] * jnp.sum(jnp.sin(3 * out.action + weights[2])) + weights[1] * out.distance, out

    gradients = jax.vmap(jax.value_and_grad(loss, (0, 1), has_aux=True), in_axes=(0, 0, None))
    return jax.jit(gradients)


def bad_inputs() -> dict:
    """name: (proposal, set, feasible, finite)."""
    m = 2
    rng = np.random.default_rng(11)
    normals, centre = rng.normal(size=(ROWS, m)), np.array([0.125, -0.25])
    offsets = normals @ centre + 0.3
    good = with_box(*map(jnp.asarray, (normals, offsets, centre, np.full(ROWS, 0.5))))

    def change(row, normal, offset):
        return good._replace(
            normals=good.normals.at[row].set(normal), offsets=good.offsets.at[row].set(offset)
        )

    doubled = change(1, good.normals[0], good.offsets[0])
    zero = change(0, jnp.zeros(m), 0.5)
    # normal @ centre = 0.25 without rounding: no room at the centre
    touching = change(0, jnp.array([1.0, -0.5]), 0.25)
    whole = with_box(jnp.zeros((ROWS, m)), jnp.ones(ROWS), jnp.zeros(m), good.barrier)
    corner = whole._replace(centre=jnp.ones(m))
    far = jnp.array([0.9, 0.9])
    nan, inf = jnp.nan, jnp.inf
    return {
        "good": (far, good, True, True),
        "NaN proposal": (jnp.array([nan, 0.0]), good, True, False),
        "infinite proposal": (jnp.array([inf, 0.0]), good, True, False),
        "huge proposal": (jnp.array([1e200, -1e190]), good, True, True),
        "at the centre": (good.centre, good, True, True),
        "near the centre": (good.centre + jnp.array([1e-9, 0.0]), good, True, True),
        "on the box": (jnp.array([1.0, -1.0]), good, True, True),
        "on the box, safe": (jnp.array([1.0, -1.0]), whole, True, True),
        "duplicate rows": (far, doubled, True, True),
        "zero row": (far, zero, True, True),
        "centre on a row": (far, touching, True, True),
        "at a centre on a row": (touching.centre, touching, True, True),
        "centre in a corner": (far, corner, True, True),
        "at a centre in a corner": (jnp.ones(m), corner, True, True),
        "beyond a centre in a corner": (2 * jnp.ones(m), corner, True, True),
        "infeasible": (far, change(0, good.normals[0], -5.0), False, True),
        "infeasible zero row": (far, change(0, jnp.zeros(m), -1.0), False, True),
        "NaN normal": (far, change(2, jnp.array([nan, 1.0]), 1.0), False, True),
        "infinite normal": (far, change(2, jnp.array([inf, 1.0]), 1.0), False, True),
        "NaN offset": (far, change(3, good.normals[3], nan), False, True),
        "NaN centre": (far, good._replace(centre=jnp.array([nan, 0.0])), False, True),
        "all NaN": (jnp.full(m, nan), jax.tree.map(lambda x: x * nan, good), False, False),
        "centre outside the box": (far, good._replace(centre=jnp.array([1.5, 0.0])), False, True),
    }


@pytest.mark.parametrize("name", some_slow(distinct_presets()))
def test_bad_input_is_flagged_and_leaves_everything_finite(name):
    cases = bad_inputs()
    padded = [*cases.values(), *[cases["good"]] * (BATCH - len(cases))]
    proposed, sets = jax.tree.map(lambda *x: jnp.stack(x), *[case[:2] for case in padded])
    (_, out), gradients = differentiated(name)(proposed, sets, jnp.array([1.0, 0.5, 0.0]))
    certified = presets.resolve(name)[1].CERTIFIED
    for index, (case, (_, actions, feasible, finite)) in enumerate(cases.items()):
        action = np.asarray(out.action[index])
        assert np.isfinite(action).all(), case
        assert (np.abs(action) <= 1).all(), case
        assert np.isfinite(out.distance[index]), case
        assert bool(out.finite[index]) == finite, case
        for part in jax.tree.leaves(gradients):
            assert np.isfinite(part[index]).all(), (case, part[index])
        if certified:
            assert bool(out.feasible[index]) == feasible, case
            if feasible:
                assert float(jnp.min(slacks(actions, out.action[index]))) >= -1e-15, case
            elif np.isfinite(np.asarray(actions.centre)).all():
                assert np.array_equal(action, np.clip(actions.centre, -1, 1)), case


@pytest.mark.parametrize("name", some_slow(CERTIFIED))
def test_regularisation_has_a_gradient_where_it_acts(name):
    """kappa |a_s - a|^2 pulls every changed action; at zero distance its gradient is zero, not NaN."""
    sets = random_sets(0, BATCH, ROWS, 2)
    proposed = jnp.clip(proposals(1, sets), -1, 1)
    (_, out), (gradient, _) = differentiated(name)(proposed, sets, jnp.array([0.0, 1.0, 0.0]))
    changed = np.asarray(out.distance) > 1e-6
    assert changed.mean() > 0.2
    assert (np.linalg.norm(gradient[changed], axis=1) > 1e-6).mean() > 0.9
    assert (np.asarray(gradient)[np.asarray(out.distance) == 0] == 0).all()


@pytest.mark.parametrize("name", some_slow(distinct_presets()))
def test_derivatives_match_finite_differences(name):
    """With respect to the proposal and to every part of the set at once, along random directions."""
    sets = random_sets(5, BATCH, ROWS, 2, repeats=False)
    proposed = jnp.asarray(np.random.default_rng(6).uniform(-1.3, 1.3, (BATCH, 2)))
    sizes = jnp.abs(sets.normals).sum(-1)
    for seed, weights in enumerate(jnp.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.0], [1.0, 0.5, 1.0]])):
        _, (to_proposal, to_set) = differentiated(name)(proposed, sets, weights)
        rng = np.random.default_rng(seed)
        along = jax.tree.map(lambda x, rng=rng: jnp.asarray(rng.normal(size=x.shape)), (proposed, sets))
        # Rows move in proportion to their length; the box does not move.
        free = (jnp.arange(ROWS + 4) < ROWS)[:, None]
        normals = along[1].normals * sizes[..., None] * free
        offsets = along[1].offsets * sizes * free[:, 0]
        barrier = along[1].barrier * sizes[:, :ROWS]
        along = (along[0], along[1]._replace(normals=normals, offsets=offsets, barrier=barrier))
        gradient = (to_proposal, to_set)
        analytic = sum(
            np.asarray((g * d).reshape(BATCH, -1).sum(-1))
            for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(along), strict=True)
        )

        def shifted(step, along=along, weights=weights):
            moved = jax.tree.map(lambda x, way: x + step * way, (proposed, sets), along)
            return np.asarray(differentiated(name)(*moved, weights)[0][0])

        # Two step sizes: where they disagree a kink (a change of the active rows) lies between.
        coarse, fine = ((shifted(h) - shifted(-h)) / (2 * h) for h in (2e-6, 1e-6))
        smooth = np.abs(coarse - fine) < 1e-6 * (1 + np.abs(fine))
        one_sided = (shifted(1e-6) - np.asarray(shifted(0.0))) / 1e-6
        smooth &= np.abs(one_sided - fine) < 1e-3 * (1 + np.abs(fine))
        assert smooth.mean() > 0.7
        np.testing.assert_allclose(analytic[smooth], fine[smooth], rtol=1e-5, atol=1e-6)
        assert np.abs(analytic[smooth]).max() > 0.01


@pytest.mark.parametrize("name", some_slow([n for n in presets.names() if n.endswith("+passthrough")]))
def test_passthrough_changes_the_derivative_alone(name):
    _, module, config = presets.resolve(name)
    sets = random_sets(0, BATCH, ROWS, 2)
    proposed = proposals(1, sets)

    def jacobians(safeguard):
        def values(a, s):
            out = safeguard(a, s)
            return (out.action, out.distance), out

        return jax.jit(jax.vmap(jax.jacrev(values, argnums=(0, 1), has_aux=True)))(proposed, sets)

    exact, exact_out = jacobians(module.make(dataclasses.replace(config, gradient="exact")))
    passing, passing_out = jacobians(module.make(config))
    assert np.array_equal(exact_out.action, passing_out.action)
    (action_to_proposal, action_to_set), distance = passing
    assert np.array_equal(action_to_proposal, np.broadcast_to(np.eye(2), (BATCH, 2, 2)))
    assert all((np.asarray(part) == 0).all() for part in jax.tree.leaves(action_to_set))
    np.testing.assert_allclose(distance[0], exact[1][0], atol=1e-12)
    assert np.abs(distance[0]).max() > 0.1


def test_lower_precision_proposals_are_answered_in_the_precision_of_the_set():
    sets = random_sets(0, COUNT, *QUADROTOR)
    for name in ("ray-mask", "none"):
        assert compiled(name)(jnp.zeros((COUNT, 2), jnp.float32), sets).action.dtype == jnp.float64


@pytest.mark.parametrize("name", registry.names("safeguard"))
def test_configs_refuse_what_they_do_not_know(name):
    module = registry.load("safeguard", name)
    fields = {f.name: f.default for f in dataclasses.fields(module.Config)}
    assert module.make() is not None
    for field, default in fields.items():
        for bad in ["no-such-choice"] if isinstance(default, str) else [-1.0, float("nan"), float("inf")]:
            with pytest.raises(ValueError, match=field) as error:
                module.Config(**{field: bad})
            assert repr(bad) in str(error.value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        module.Config().regularisation = 1.0
