"""The compiled step: equal to MJX, exactly affine, with exact gradients."""

import math

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mechanisms import BOXES, DISTURBANCES, DISTURBED, compiled, load, states, tree

from safebench.physics import enclosure, rigid_body
from safebench.physics.affine import linearise_by_differences
from safebench.physics.compiled import LONG, compiled_linearise, compiled_step
from safebench.physics.dynamics import mechanical, mjx_step
from safebench.physics.expression import gradients, program, run


@pytest.mark.parametrize(("seed", "joints"), [(3, 2), pytest.param(12, 7, marks=pytest.mark.slow)])
def test_random_trees_step_as_in_mjx(seed, joints):
    model = tree(seed, joints)
    noise = np.random.default_rng(seed).normal(size=(joints, 2))
    x, a = states(model, 64)
    w = np.random.default_rng(1).uniform(-1, 1, (64, 2))
    ours = jax.jit(jax.vmap(compiled_step(model, noise)))(x, a, w)
    theirs = jax.jit(jax.vmap(mjx_step(model, noise)))(x, a, w)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", DISTURBED)
def test_tasks_step_as_in_mjx_over_their_box(name):
    model, noise = load(name), DISTURBED[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(BOXES[name].lower, BOXES[name].upper, (2000, 2 * model.nq))
    a = rng.uniform(-1, 1, (2000, model.nu))
    w = rng.uniform(-0.1, 0.1, (2000, noise.shape[1]))
    ours = jax.jit(jax.vmap(compiled_step(model, noise)))(x, a, w)
    theirs = jax.jit(jax.vmap(mjx_step(model, noise)))(x, a, w)
    granted = enclosure.include(model, noise, BOXES[name], DISTURBANCES[name]).allowance
    assert (np.abs(ours - theirs) <= granted).all()


def test_a_wrong_mass_is_noticed():
    """Negative control of the comparisons above: one part in 10^9 on one mass."""
    model = tree(3, 2)
    right = compiled(model)
    model.body_mass[1] *= 1 + 1e-9
    mujoco.mj_setConst(model, mujoco.MjData(model))
    (x,), (a,) = states(model, 1)
    assert np.abs(right(x, a) - compiled(model)(x, a)).max() > 1e-12


@pytest.mark.parametrize("name", DISTURBED)
def test_compiled_linearise_is_the_affine_model_of_the_step(name):
    model, noise = load(name), DISTURBED[name]
    step = compiled_step(model, noise)
    x, _ = states(model, 16, size=1.0)
    ours = jax.vmap(compiled_linearise(model, noise))(jnp.asarray(x))
    theirs = jax.vmap(linearise_by_differences(step, model.nu, noise.shape[1]))(jnp.asarray(x))
    for part, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(part, other, atol=1e-14)


@pytest.mark.parametrize(("joints", "differentiate"), [(1, jax.jacfwd), (1, jax.jacrev), (3, jax.jacrev)])
def test_compiled_step_has_exact_gradients(joints, differentiate):
    """Three joints make code long enough for the reverse-mode rule of its own."""
    model = tree(22, joints)
    graph, outputs = rigid_body.accelerations_of(model)
    assert (len(program(graph, outputs).operations) >= LONG) == (joints == 3)
    step = compiled_step(model, np.eye(joints))
    (x,), (a,) = states(model, 1)
    entries = [entry for row in gradients(outputs, graph.inputs) for entry in row]
    values = run(program(graph, entries), [*map(float, x), *map(float, a)], math.sin, math.cos)
    dt = model.opt.timestep
    expected = np.eye(joints, 2 * joints + model.nu, joints) + dt * np.reshape(values, (joints, -1))
    derivative = jax.jit(differentiate(step, argnums=(0, 1)))
    jacobian = np.hstack(derivative(jnp.asarray(x), jnp.asarray(a), jnp.zeros(joints)))
    np.testing.assert_allclose(jacobian[joints:], expected, rtol=1e-11, atol=1e-12)


def test_float32_stays_float32():
    step = compiled_step(load("cartpole"), DISTURBED["cartpole"])
    x = step(jnp.ones(4, "float32"), jnp.ones(1, "float32"), jnp.ones(1, "float32"))
    assert x.dtype == jnp.float32


def test_mechanical_offers_the_compiled_physics():
    dynamics = mechanical(load("cartpole"), DISTURBED["cartpole"], "compiled")
    affine = dynamics.linearise(jnp.ones(4))
    end = affine.drift + affine.control @ jnp.array([0.5]) + affine.noise @ jnp.array([0.1])
    np.testing.assert_allclose(
        end, dynamics.step(jnp.ones(4), jnp.array([0.5]), jnp.array([0.1])), atol=1e-14
    )
