"""Strong actuators: the run-time margin follows what one step adds up, in single precision too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from certified_systems import driven

from safebench.env.environment import guarded_step
from safebench.env.task import Task
from safebench.runs import presets
from safebench.sets import proof
from safebench.sets.polytope import contains

STEPS = 20_000


def task(strength: float, **changes) -> Task:
    certificate, dynamics = driven(strength, **changes)
    return Task(
        name="driven",
        summary="one state, one strong actuator",
        horizon=10,
        control_period=1.0,
        state_names=("x",),
        action_names=("a",),
        dynamics=dynamics,
        constraints=certificate.constraints,
        disturbance=certificate.disturbance,
        certificate=certificate,
        observe=lambda x, context: x,
        reward=lambda x, a, after, context: jnp.zeros(()),
    )


def departures(made: Task, safeguard: str, dtype: str) -> int:
    """Steps whose end, in float64, is outside the set: random states, the worst disturbances, and proposals
    whose next state lies just inside or just outside of a face."""
    _, module, config = presets.resolve(safeguard)
    guard = module.make(config)
    strength = float(made.dynamics.linearise(jnp.zeros(1)).control[0, 0])
    face = made.certificate.offsets[0]
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-face, face, (STEPS, 1)), rng.choice([-0.1, 0.1], (STEPS, 1))
    goal = face * np.sign(w) * (1 + rng.uniform(-1e-3, 1e-3, (STEPS, 1)))
    a = (goal - x - w) / strength
    applied = jax.jit(jax.vmap(lambda x, a, w: guarded_step(made, guard, x, a, w)[1].action))(
        *(jnp.asarray(values, dtype) for values in (x, a, w))
    )
    single = np.asarray(jnp.asarray(x, dtype), float)  # the state that the safeguard saw
    after = single + strength * np.asarray(applied, float) + w
    return int((~contains(made.certificate.polytope, after)).sum())


@pytest.mark.parametrize("safeguard", ["boundary-projection", "replacement", "ray-mask"])
def test_a_proven_margin_holds_in_both_precisions(safeguard):
    made = task(2000.0, magnitude=np.array([2001.2]))
    assert proof.prove(made).passed
    assert departures(made, safeguard, "float32") == 0
    assert departures(made, safeguard, "float64") == 0


@pytest.mark.parametrize("safeguard", ["boundary-projection", "replacement"])
def test_a_margin_for_the_states_alone_does_not(safeguard):
    """Negative control: the margin of a weak actuator on a strong one; the proof refuses that certificate."""
    made = task(2000.0)
    assert not proof.prove(made).passed
    assert departures(made, safeguard, "float32") > 0
