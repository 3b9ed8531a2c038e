"""How far two links of half a metre are from discs, written anew: complex numbers, in numpy."""

import numpy as np

THICKNESS = 0.04
LENGTH = 0.5


def arm_gap(q, centre, radius, thickness=THICKNESS):
    """From the arm to the nearest disc [m]: a link runs along e^(-i angle) from the end of the one before.

    q (..., 2) [rad], centre (..., discs, 2), radius (..., discs) [m], below zero where no disc is.
    """
    q, centre, radius = map(np.asarray, (q, centre, radius))
    place = centre[..., 0] + 1j * centre[..., 1]
    begins = np.zeros(q.shape[:-1], complex)
    least = np.full(q.shape[:-1], np.inf)
    for angle in (q[..., 0], q[..., 0] + q[..., 1]):
        seen = (place - begins[..., None]) * np.exp(1j * angle)[
            ..., None
        ]  # the link lies along the real axis
        beyond = np.where(seen.real < 0, seen.real, np.maximum(seen.real - LENGTH, 0.0))
        away = np.where(radius < 0, np.inf, np.hypot(beyond, seen.imag) - radius - thickness)
        least = np.minimum(least, away.min(axis=-1))
        begins = begins + LENGTH * np.exp(-1j * angle)
    return least
