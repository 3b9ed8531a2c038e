"""Small systems with a safe set, for the tests of certificates, proofs and synthesis."""

import numpy as np

from safebench.sets.inclusion import Inclusion, linear_inclusion
from safebench.sets.polytope import Box, box, symmetric_box

DT = 0.1


def double_integrator(room: float = 1.0, loudness: float = 1.0) -> tuple[Inclusion, Box, Box]:
    """|q| <= room [m], |v| <= 1 [m/s], acceleration a + w, |w| <= 0.2 loudness; state (q, v)."""
    noise = np.array([[DT**2], [DT]])
    constraints, disturbance = symmetric_box([room, 1.0]), symmetric_box([0.2 * loudness])
    state = np.array([[1.0, DT], [0.0, 1.0]])
    inclusion = linear_inclusion(state, noise, noise, np.zeros(2), constraints, disturbance)
    return inclusion, constraints, disturbance


def coupled_chain(masses: int, actuated: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Box, Box]:
    """Unit masses in a row, springs of 1 N/m between neighbours, dampers 0.5, forces 2 a on the first ones.

    Returns state, action and noise matrices and the boxes; state (positions, speeds).
    """
    stiffness = 2 * np.eye(masses) - np.eye(masses, k=1) - np.eye(masses, k=-1)
    acceleration = np.hstack([-stiffness, -0.5 * np.eye(masses)])
    push = np.vstack([DT**2 * np.eye(masses), DT * np.eye(masses)])
    drift = np.eye(2 * masses)
    drift[:masses, masses:] = DT * np.eye(masses)
    action, noise = 2 * push[:, :actuated], push[:, -1:]
    return (
        drift + push @ acceleration,
        action,
        noise,
        symmetric_box(np.ones(2 * masses)),
        symmetric_box([0.05]),
    )


def random_system(seed: int) -> tuple[Inclusion, Box, Box, np.ndarray]:
    """A random stable or mildly unstable linear system in two or three dimensions, and its noise matrix."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    state = rng.normal(size=(n, n))
    state *= rng.uniform(0.5, 1.05) / np.abs(np.linalg.eigvals(state)).max()
    action, noise = rng.normal(size=(n, m)), 0.05 * rng.normal(size=(n, 1))
    low, high = -rng.uniform(0.5, 2.0, n), rng.uniform(0.5, 2.0, n)
    constraints, disturbance = box(low, high), box([-0.5], [1.0])
    constant = 0.02 * rng.normal(size=n)
    inclusion = linear_inclusion(state, action, noise, constant, constraints, disturbance, np.zeros(n))
    return inclusion, constraints, disturbance, noise
