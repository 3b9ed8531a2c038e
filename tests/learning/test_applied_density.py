"""The density of applied actions: against volumes, samples and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import task as tasks
from safebench.env.action_set import contains
from safebench.env.environment import Env, Place
from safebench.learning.applied_density import NoDensity, log_determinant, require_density
from safebench.runs import api, presets

ONE_TO_ONE = [
    name for name in presets.names() if presets.one_to_one(*presets.resolve(name)[1:]) and "+reg" not in name
]
SAMPLES = 20_000


def test_the_safeguards_that_are_one_to_one():
    assert {"none", "ray-mask", "ray-mask-hyperbolic", "ray-mask+zonotopic"} <= set(ONE_TO_ONE)
    refused = {
        *("boundary-projection", "replacement", "cbf-qp", "implicit-safe-set"),
        *("ray-mask+orthogonal", "ray-mask+passthrough"),
    }
    assert not refused & set(ONE_TO_ONE)


def environment(task, preset: str) -> Env:
    guard = api.guard(preset)
    return Env(task, guard, one_to_one=guard.one_to_one)


def tight_place(task, share=(0.2, 0.7)):
    """A start of the task where the share of safe actions lies in between, and that share by sampling."""
    actions = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (SAMPLES, len(task.action_names))))

    @jax.jit
    @jax.vmap
    def shares(x):
        allowed = tasks.allowed(task, x, task.dynamics.linearise(x))
        return jnp.mean(jax.vmap(lambda a: contains(allowed, a))(actions))

    found = np.asarray(shares(jnp.asarray(task.starts[:256])))
    at = int(np.argmax((found > share[0]) & (found < share[1])))
    assert share[0] < found[at] < share[1]
    return Place(jnp.asarray(task.starts[at])), found[at]


@pytest.mark.parametrize("preset", ["ray-mask", "ray-mask-hyperbolic"])
@pytest.mark.parametrize("name", ["pendulum", pytest.param("quadrotor", marks=pytest.mark.slow)])
def test_the_mean_determinant_is_the_volume_of_the_safe_actions(name, preset, task_of):
    """Of a map one-to-one onto the safe actions: the mean of |det| over the box is their share of it."""
    task = task_of(name, "compiled")
    place, share = tight_place(task)
    env = environment(task, preset)
    actions = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (SAMPLES, env.action_size)))
    slopes = jax.jit(jax.vmap(lambda a: log_determinant(env, place, a)))(actions)
    volumes = np.exp(np.asarray(slopes))
    error = np.sqrt(share * (1 - share) / SAMPLES) + volumes.std() / np.sqrt(SAMPLES)
    assert abs(volumes.mean() - share) < 4 * error
    assert abs(1.0 - share) > 8 * error  # the control: that of no safeguard is 1


def test_it_gives_the_density_that_samples_have(task_of):
    """One input: the histogram of applied actions of a Gaussian's proposals, against pi(a) / |det|."""
    task = task_of("pendulum", "compiled")
    place, _ = tight_place(task)
    env = environment(task, "ray-mask-hyperbolic")
    proposed = np.linspace(-0.999, 0.999, 4001)[:, None]

    @jax.jit
    @jax.vmap
    def both(a):
        return env.applied(place, a).action[0], log_determinant(env, place, a)

    applied, slopes = map(np.asarray, both(jnp.asarray(proposed)))
    assert (np.diff(applied) > 0).all()

    def density(a):  # of proposals: a parabola on the box
        return 0.75 * (1 - a**2)

    drawn = np.random.default_rng(2).beta(2, 2, SAMPLES * 5) * 2 - 1
    seen = np.asarray(both(jnp.asarray(drawn[:, None]))[0])
    counts, edges = np.histogram(seen, bins=20, range=(applied[0], applied[-1]), density=True)
    middles = 0.5 * (edges[1:] + edges[:-1])
    wanted = np.interp(middles, applied, density(proposed[:, 0]) / np.exp(slopes))
    wrong = np.interp(middles, applied, density(proposed[:, 0]))
    np.testing.assert_allclose(counts, wanted, rtol=0.1, atol=0.05)
    assert np.abs(counts - wrong).max() > 0.3  # the control: the density of proposals is another one


def test_no_safeguard_adds_nothing_and_the_last_resort_is_finite(task_of):
    task = task_of("pendulum", "compiled")
    inside, outside = Place(jnp.asarray(task.starts[0])), Place(jnp.array([100.0, 100.0]))
    action = jnp.array([0.3])
    bare = environment(task, "none")
    assert jax.jit(lambda a: log_determinant(bare, inside, a))(action) == 0
    env = environment(task, "ray-mask")
    assert not jax.jit(lambda a: env.applied(outside, a).feasible)(action)
    value, slope = jax.jit(jax.value_and_grad(lambda a: log_determinant(env, outside, a)))(action)
    assert value == 0
    assert slope == 0


def test_a_safeguard_with_atoms_is_refused(task_of):
    task = task_of("pendulum", "compiled")
    require_density(environment(task, "ray-mask"))
    with pytest.raises(NoDensity, match="one-to-one"):
        require_density(environment(task, "boundary-projection"))
