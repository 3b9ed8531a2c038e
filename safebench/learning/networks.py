"""Networks and observation normalisation that learners share. Networks compute in float32."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Literal["elu", "relu", "tanh"]
ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {"elu": nn.elu, "relu": nn.relu, "tanh": nn.tanh}


class MLP(nn.Module):
    """Dense layers with an activation and optional layer normalisation; a linear output layer.

    agents: inputs and outputs are so many equal parts, one after the other; each part of the inputs goes
        through the same layers and gives its part of the outputs.
    """

    hidden: Sequence[int]
    outputs: int
    activation: Activation = "elu"
    layer_norm: bool = False
    output_scale: float = 1.0
    agents: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        x = x.astype(jnp.float32)
        batch = x.shape[:-1]
        if self.agents > 1:
            x = x.reshape(*batch, self.agents, -1)
        initialiser = nn.initializers.orthogonal(jnp.sqrt(2.0))
        for width in self.hidden:
            x = nn.Dense(width, kernel_init=initialiser, param_dtype=jnp.float32)(x)
            x = ACTIVATIONS[self.activation](x)
            if self.layer_norm:
                x = nn.LayerNorm(param_dtype=jnp.float32)(x)
        last = nn.initializers.orthogonal(self.output_scale)
        last_layer = nn.Dense(self.outputs // self.agents, kernel_init=last, param_dtype=jnp.float32)
        return last_layer(x).reshape(*batch, self.outputs)


def forward(
    network: MLP, parameters: Any, x: Float[Array, "*batch inputs"]
) -> Float[Array, "*batch outputs"]:
    """The network's outputs (flax types `apply` as anything)."""
    outputs: Any = network.apply(parameters, x)
    return outputs


class Normaliser(NamedTuple):
    """Running mean and summed squared deviation of observations (Chan et al. 1979, parallel update)."""

    weight: Float[Array, ""]
    mean: Float[Array, " o"]
    squares: Float[Array, " o"]


def fresh_normaliser(size: int) -> Normaliser:
    """Mean 0, variance 1, weighing as much as one observation."""
    return Normaliser(jnp.ones(()), jnp.zeros(size), jnp.ones(size))


FARTHEST = 1000.0
"""Standard deviations from the mean at which an observation counts as no farther away."""


def absorb(normaliser: Normaliser, observations: Float[Array, "*batch o"]) -> Normaliser:
    """The normaliser after seeing more observations.

    One that lies `FARTHEST` standard deviations away or more counts as lying there: a single state that blew
    up (its steps are counted elsewhere) must not make all others look like zero for good. NaN stays NaN.
    """
    rows = jax.lax.stop_gradient(observations.reshape(-1, observations.shape[-1]))
    far = FARTHEST * jnp.sqrt(normaliser.squares / normaliser.weight)
    rows = jnp.clip(rows, normaliser.mean - far, normaliser.mean + far)
    count, mean = rows.shape[0], rows.mean(axis=0)
    squares = jnp.sum((rows - mean) ** 2, axis=0)
    total = normaliser.weight + count
    shift = mean - normaliser.mean
    return Normaliser(
        total,
        normaliser.mean + shift * count / total,
        normaliser.squares + squares + shift**2 * normaliser.weight * count / total,
    )


def normalise(normaliser: Normaliser, observation: Float[Array, "*batch o"]) -> Float[Array, "*batch o"]:
    """Zero mean, unit variance, clipped to [-10, 10] as in common practice."""
    deviation = jnp.sqrt(normaliser.squares / normaliser.weight + 1e-8)
    return jnp.clip((observation - normaliser.mean) / deviation, -10.0, 10.0).astype(jnp.float32)
