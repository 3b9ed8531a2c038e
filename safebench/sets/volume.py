"""The share of its constraint box that a set takes, by Monte Carlo."""

import numpy as np
from scipy.stats import binomtest

from safebench.sets.certificate import Certificate
from safebench.sets.polytope import contains

SAMPLES = 200_000
AGREEMENT = 0.01
"""Two estimates of one volume differ by less than this and the sum of their intervals."""


def volume(certificate: Certificate, samples: int = SAMPLES, seed: int = 0) -> tuple[float, float, float]:
    """Share of the constraint box inside the set: (value, low, high), Clopper-Pearson 95 % interval."""
    rng = np.random.default_rng(seed)
    hits = 0
    for count in np.diff(np.linspace(0, samples, samples // 20_000 + 2).astype(int)):
        points = rng.uniform(*certificate.constraints, (count, len(certificate.origin)))
        hits += int(contains(certificate.polytope, points - certificate.origin).sum())
    interval = binomtest(hits, samples).proportion_ci(0.95, method="exact")
    return hits / samples, float(interval.low), float(interval.high)


def contradiction(certificate: Certificate, samples: int = 20_000) -> str | None:
    """What is wrong with the volume that a certificate claims, if anything."""
    _, low, high = volume(certificate, samples, seed=1)
    claimed_low, value, claimed_high = sorted(certificate.volume)
    if claimed_low > high + AGREEMENT or claimed_high < low - AGREEMENT:
        return (
            f"volume: the certificate claims {100 * value:.1f} % of the constraint box, "
            f"Monte Carlo finds {100 * low:.1f} to {100 * high:.1f} %"
        )
    return None
