"""Altered certificates: what somebody might change in one, by mistake or on purpose.

Each alteration maps (certificate, random generator) to a changed certificate. `HARMLESS` ones say the same of
the same set, so a proof must accept them; of `DOUBTFUL` ones nothing is known.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from safebench.sets.certificate import Certificate
from safebench.sets.polytope import Box

Alteration = Callable[[Certificate, np.random.Generator], Certificate]

SET = ("normals", "offsets")
BASE = ("base_normals", "base_offsets")
ARRAYS = "origin normals offsets base_normals base_offsets gain feedforward magnitude translation_limits"
EXTREME = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, 1e-308)


def rows(c: Certificate, change: Callable, base: bool | None = None) -> Certificate:
    """The set's (normals, offsets) changed; the base set's alike where the two are one.

    base: True to change the base set only, False the set only.
    """
    changed: dict = {}
    if base is not True:
        changed |= dict(zip(SET, change(c.normals, c.offsets), strict=True))
    if base is True:
        changed |= dict(zip(BASE, change(c.base_normals, c.base_offsets), strict=True))
    if base is None and not c.translation_limits.size:
        changed |= dict(zip(BASE, (changed[name].copy() for name in SET), strict=True))
    return replace(c, **changed)


def entry(array: np.ndarray, change: Callable, rng) -> np.ndarray:
    """One entry, drawn at random, changed; an empty array as it is."""
    changed = np.array(array)
    if changed.size:
        index = rng.integers(changed.size)
        changed.flat[index] = change(changed.flat[index])
    return changed


def box(b: Box, factor=1.0, shift=0.0) -> Box:
    return Box(factor * b.lower + shift, factor * b.upper + shift)


def _permuted(c, rng):
    order = rng.permutation(len(c.offsets))
    return rows(c, lambda h, d: (h[order], d[order]))


def _scaled_rows(c, rng, factors):
    drawn = factors(rng, len(c.offsets))
    return rows(c, lambda h, d: (h * drawn[:, None], d * drawn))


def _doubled_row(c, rng):
    i = rng.integers(len(c.offsets))
    return rows(c, lambda h, d: (np.vstack([h, h[i]]), np.append(d, 1.5 * d[i])))


HARMLESS: dict[str, Alteration] = {
    "as it is": lambda c, rng: c,
    "rows permuted with their offsets": _permuted,
    "rows scaled by powers of two": lambda c, rng: _scaled_rows(
        c, rng, lambda r, k: 2.0 ** r.integers(-3, 4, k)
    ),
    "rows scaled with their offsets": lambda c, rng: _scaled_rows(c, rng, lambda r, k: r.uniform(0.5, 2, k)),
    "a redundant row": _doubled_row,
    "another method": lambda c, rng: replace(c, method="by other means"),
    "a weaker contraction": lambda c, rng: replace(c, contraction=0.5 * (1 + c.contraction)),
    "a little more magnitude": lambda c, rng: replace(c, magnitude=1.01 * c.magnitude),
    "references in another order": lambda c, rng: replace(
        c, translations=c.translations[:, ::-1], translation_limits=c.translation_limits[::-1]
    ),
    "a volume of as many digits": lambda c, rng: replace(c, volume=(round(c.volume[0], 3), *c.volume[1:])),
}


def _one_offset(factor):
    def change(c, rng):
        i = rng.integers(len(c.offsets))
        return rows(c, lambda h, d: (h, np.where(np.arange(len(d)) == i, factor * d, d)))

    return change


def _dropped(share):
    def change(c, rng):
        kept = np.sort(rng.permutation(len(c.offsets))[max(1, int(share * len(c.offsets))) :])
        return rows(c, lambda h, d: (h[kept], d[kept]))

    return change


def _only_sides(c, rng):
    kept = np.count_nonzero(c.normals, axis=1) == 1
    return rows(c, lambda h, d: (h[kept], d[kept]))


def _swapped(c, rng):
    i, j = rng.choice(len(c.offsets), 2, replace=False)
    order = np.arange(len(c.offsets))
    order[[i, j]] = j, i
    return rows(c, lambda h, d: (h, d[order]))


def _one_row_negated(c, rng):
    i = rng.integers(len(c.offsets))
    return rows(c, lambda h, d: (np.where(np.arange(len(d))[:, None] == i, -h, h), d))


def _columns(c, rng):
    order = np.roll(np.arange(len(c.origin)), 1)
    return rows(c, lambda h, d: (h[:, order], d))


def _everything_by(size):
    def change(c, rng):
        return rows(c, lambda h, d: (size * np.clip(h, -1, 1), size * np.clip(d, -1, 1)))

    return change


def _base(factor):
    return lambda c, rng: rows(c, lambda h, d: (h, factor * d), base=True)


def _set(factor):
    return lambda c, rng: rows(c, lambda h, d: (h, factor * d))


def _gain(factor):
    return lambda c, rng: replace(c, gain=factor * c.gain)


def _limits(factor, shift=0.0):
    return lambda c, rng: replace(c, translation_limits=factor * c.translation_limits + shift)


def _new_reference(limit):
    def change(c, rng):
        axis = np.eye(len(c.origin))[:, :1]
        limits = np.append(limit, c.translation_limits)
        return replace(c, translations=np.hstack([axis, c.translations]), translation_limits=limits)

    return change


def _named(**changes):
    return lambda c, rng: replace(c, **changes)


def _magnitude(factor):
    return lambda c, rng: replace(c, magnitude=factor * c.magnitude)


def _moved(name, shift):
    return lambda c, rng: replace(c, **{name: getattr(c, name) + shift})


def _boxed(name, factor=1.0, shift=0.0):
    return lambda c, rng: replace(c, **{name: box(getattr(c, name), factor, shift)})


def _extreme(c, rng):
    name = rng.choice([name for name in ARRAYS.split() if getattr(c, name).size])
    value = rng.choice(EXTREME)
    return replace(c, **{name: entry(getattr(c, name), lambda old: value, rng)})


def _flipped(c, rng):
    name = rng.choice(["normals", "base_normals", "gain", "feedforward"])
    return replace(c, **{name: entry(getattr(c, name), lambda old: -old, rng)})


def _noise(size):
    def change(c, rng):
        return rows(c, lambda h, d: (h + size * rng.normal(size=h.shape) * (h != 0), d))

    return change


def _half_spaces(change):
    """The claimed half-spaces changed, the set left as it is."""

    def altered(c, rng):
        normals, offsets = change(c.half_space_normals, c.half_space_offsets)
        return replace(c, half_space_normals=normals, half_space_offsets=offsets)

    return altered


HALF_SPACES: dict[str, Alteration] = {
    "half-spaces forgotten": _half_spaces(lambda h, d: (h[:0], d[:0])),
    "a half-space less": _half_spaces(lambda h, d: (h[1:], d[1:])),
    "a half-space twice": _half_spaces(lambda h, d: (np.vstack([h, h[:1]]), np.append(d, d[0]))),
    "half-spaces without an offset": _half_spaces(lambda h, d: (h, d[1:])),
    "half-spaces inside out": _half_spaces(lambda h, d: (-h, -d)),
    "half-spaces of no number": _half_spaces(lambda h, d: (h * np.nan, d)),
    **{f"half-spaces {k} further": _half_spaces(lambda h, d, k=k: (h, d + k)) for k in (0.1, 1e-12, -0.1)},
}

DOUBTFUL: dict[str, tuple[int, Alteration]] = {
    **{f"set times {f}": (1, _set(f)) for f in (0.01, 0.5, 0.99, 0.9999, 1.0001, 1.02, 1.5, -1.0)},
    **{f"base times {f}": (1, _base(f)) for f in (0.5, 0.999, 1.001, 1.1)},
    **{f"an offset times {f}": (2, _one_offset(f)) for f in (0.9, 0.999, 1.001, 1.1, 2.0, -1.0, 0.0)},
    "rows without their offsets": (1, lambda c, rng: rows(c, lambda h, d: (h[rng.permutation(len(h))], d))),
    "offsets reversed": (1, lambda c, rng: rows(c, lambda h, d: (h, d[::-1]))),
    "coordinates permuted": (1, _columns),
    "one row dropped": (3, _dropped(0.0)),
    "a third of the rows dropped": (1, _dropped(0.34)),
    "nothing but a box": (1, _only_sides),
    "two offsets swapped": (2, _swapped),
    "inside out": (1, lambda c, rng: rows(c, lambda h, d: (-h, d))),
    "a row negated": (2, _one_row_negated),
    "a sign": (3, _flipped),
    **{f"noise of {size}": (1, _noise(size)) for size in (1e-2, 1e-5, 1e-9)},
    **{f"gain times {f}": (1, _gain(f)) for f in (0.0, -1.0, 0.5, 0.99, 1.01, 2.0, 10.0)},
    **{f"pushed by {k}": (1, _moved("feedforward", k)) for k in (1e-3, 0.05, -0.5, 1.0)},
    **{f"references times {f}": (1, _limits(f)) for f in (-1.0, 0.0, 0.5, 0.999, 1.001, 1.2, 2.0, np.nan)},
    "references without end": (1, _limits(1.0, np.inf)),
    "references reversed": (1, lambda c, rng: replace(c, translation_limits=c.translation_limits[::-1])),
    **{f"a new reference of {f}": (1, _new_reference(f)) for f in (0.0, 1e-3, 0.1, -0.1, np.inf)},
    "references along the next axis": (
        1,
        lambda c, rng: replace(c, translations=np.roll(c.translations, 1, axis=0)),
    ),
    "references of another length": (1, lambda c, rng: replace(c, translations=2 * c.translations)),
    **{f"constraints {k}": (1, _boxed("constraints", *k)) for k in ((1.1,), (0.9,), (1.0, 1e-3), (-1.0,))},
    **{f"disturbance {k}": (1, _boxed("disturbance", *k)) for k in ((1.1,), (0.5,), (0.0,), (1.0, 0.01))},
    **{f"origin moved by {k}": (1, _moved("origin", k)) for k in (1e-12, 0.1)},
    **{
        f"contraction {k}": (1, _named(contraction=k)) for k in (0.0, 0.5, 1 - 2**-53, 1.0, 2.0, -1.0, np.nan)
    },
    **{f"task {k!r}": (1, _named(task=k)) for k in ("", "another")},
    "other dynamics": (1, _named(fingerprint="0" * 64)),
    **{f"volume {k}": (1, _named(volume=(k, k, k))) for k in (0.01, np.nan, -1.0, 2.0)},
    **{f"magnitude times {f}": (1, _magnitude(f)) for f in (0.0, 1e-3, 0.1, 0.95, -1.0, 100.0, np.inf)},
    "an extreme number": (14, _extreme),
    **{f"all rows of {size}": (1, _everything_by(size)) for size in (1e308, 1e200, 1e-200, 1e-308)},
    "an offset less": (1, lambda c, rng: replace(c, offsets=c.offsets[1:])),
    "no rows": (1, lambda c, rng: rows(c, lambda h, d: (h[:0], d[:0]))),
    "a coordinate less": (1, lambda c, rng: rows(c, lambda h, d: (h[:, 1:], d))),
    "an action more": (
        1,
        lambda c, rng: replace(
            c, gain=np.vstack([c.gain, c.gain[:1]]), feedforward=np.append(c.feedforward, 0.0)
        ),
    ),
    "magnitude of another length": (1, lambda c, rng: replace(c, magnitude=np.append(c.magnitude, 1.0))),
}


def alterations(certificate: Certificate, seed: int) -> Iterator[tuple[str, bool, Certificate]]:
    """(kind, harmless, altered), always the same; changes that change nothing in this one are left out."""
    rng = np.random.default_rng(seed)
    for kind, alter in HARMLESS.items():
        yield kind, True, alter(certificate, rng)
    for kind, (count, alter) in DOUBTFUL.items():
        if not certificate.translation_limits.size and kind.startswith("references"):
            continue
        for _ in range(count):
            yield kind, False, alter(certificate, rng)
    for kind, alter in HALF_SPACES.items() if certificate.half_space_offsets.size else ():
        yield kind, False, alter(certificate, rng)
