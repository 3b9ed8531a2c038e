"""Small systems with a safe set, for the tests of certificates, proofs and synthesis."""

from dataclasses import replace

import numpy as np

from safebench.physics.dynamics import Dynamics, linear
from safebench.sets.certificate import Certificate
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


def driven(strength: float, **changes) -> tuple[Certificate, Dynamics]:
    """x+ = x + B a + w, |x| <= 1, |w| <= 0.1, and a set of it under a = -x / (2 B)."""
    one = np.ones((1, 1))
    dynamics = linear(one, strength * one, one, np.zeros(1))
    constraints, disturbance = symmetric_box([1.0]), symmetric_box([0.1])
    sides = np.array([[1.0], [-1.0]])
    certificate = Certificate(
        task="driven",
        fingerprint=dynamics.fingerprint,
        origin=np.zeros(1),
        normals=sides,
        offsets=np.full(2, 1 - 1e-6),
        base_normals=sides,
        base_offsets=np.full(2, 1 - 1e-6),
        gain=np.array([[-0.5 / strength]]),
        feedforward=np.zeros(1),
        translations=np.zeros((1, 0)),
        translation_limits=np.zeros(0),
        constraints=constraints,
        disturbance=disturbance,
        contraction=0.9999,
        volume=(1.0, 1.0, 1.0),
        method="by hand",
    )
    return replace(certificate, **changes), dynamics


def cornered(limit: float) -> Certificate:
    """A slide joint of 1 kg with a motor of 1 N at 10 Hz, and a set that no action holds at its corners."""
    diamond = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    sides = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    fast = 0.9 * (1 - 1e-7)
    return Certificate(
        task="slide",
        fingerprint="f",
        origin=np.zeros(2),
        normals=sides,
        offsets=np.array([7.99, 7.99, fast, fast]),
        base_normals=diamond,
        base_offsets=np.full(4, 0.9),
        gain=np.array([[-0.5, -1.0]]),
        feedforward=np.zeros(1),
        translations=np.array([[1.0], [0.0]]),
        translation_limits=np.array([limit]),
        constraints=symmetric_box([8.0, 1.0]),
        disturbance=symmetric_box([0.01]),
        contraction=0.9999,
        volume=(0.9, 0.9, 0.9),
        method="by hand",
        magnitude=np.array([8.11, 1.11]),
    )
