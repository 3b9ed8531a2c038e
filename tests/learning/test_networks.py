"""One policy for agents that are alike: what each does follows from what it sees, whoever it is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env.environment import Env
from safebench.learning.networks import MLP, forward
from safebench.runs.api import guard

AGENTS, SEEN, ACTIONS = 3, 5, 2


@pytest.mark.slow
def test_agents_share_their_layers():
    net = MLP((16,), AGENTS * ACTIONS, agents=AGENTS)
    x = jax.random.normal(jax.random.key(1), (4, AGENTS, SEEN), jnp.float32)
    parameters = net.init(jax.random.key(0), x[0].ravel())
    one = MLP((16,), ACTIONS)
    assert jax.tree.map(np.shape, parameters) == jax.tree.map(np.shape, one.init(jax.random.key(0), x[0, 0]))
    together = forward(net, parameters, x.reshape(4, -1)).reshape(4, AGENTS, ACTIONS)
    np.testing.assert_allclose(together, forward(one, parameters, x), rtol=1e-5)
    turned = forward(net, parameters, jnp.roll(x, 1, axis=1).reshape(4, -1)).reshape(4, AGENTS, ACTIONS)
    np.testing.assert_allclose(turned, np.roll(together, 1, axis=1), rtol=1e-5)
    # The control: layers that see everybody at once are not the same for all.
    wide = MLP((16,), AGENTS * ACTIONS)
    mixing = wide.init(jax.random.key(0), x[0].ravel())
    seen, other = (forward(wide, mixing, each.reshape(4, -1)) for each in (x, jnp.roll(x, 1, axis=1)))
    rolled = np.roll(np.asarray(seen).reshape(4, AGENTS, ACTIONS), 1, axis=1).reshape(4, -1)
    assert np.abs(other - rolled).max() > 0.1


def test_the_environment_says_how_many_agents_there_are(task_of):
    task = task_of("pendulum", "compiled")
    assert Env(task, guard("none")).agents == 1
    for wrong in (0, 2, 1.5, True, "two"):
        with pytest.raises(ValueError, match="agents is"):
            dataclasses.replace(task, agents=wrong)
