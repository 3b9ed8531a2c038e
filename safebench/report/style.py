"""How figures look: one colour, line style and marker for every safeguard preset, one style for all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

# Okabe and Ito's palette: told apart with every common colour-vision deficiency. Line styles tell the
# variants of a safeguard apart, so that black-and-white print works too.
COLOURS = {
    "none": "#000000",
    "boundary-projection": "#0072B2",
    "ray-mask": "#D55E00",
    "ray-mask-hyperbolic": "#009E73",
    "replacement": "#CC79A7",
    "cbf-qp": "#56B4E9",
    "implicit-safe-set": "#E69F00",
}
SPARE_COLOURS = ("#BCBD22", "#7F7F7F", "#8C564B", "#9467BD")
MARKERS = ("o", "s", "^", "D", "v", "P")
VARIANT_MARKERS = {"": "o", "regularised": "s", "passthrough": "^", "orthogonal": "D", "zonotopic": "v"}
DASHES: dict[str, str | tuple] = {"": "solid", "regularised": (0, (1, 1)), "passthrough": (0, (5, 1, 1, 1))}
LITERAL: Any = {"text.parse_math": False}
"""A dollar sign in a stranger's name is a dollar sign."""
STYLE: Any = {
    **LITERAL,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "safebench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@contextmanager
def styled(style: Any = STYLE) -> Iterator[None]:
    """matplotlib's own settings with `style` on top, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        yield


def minus(text: str) -> str:
    """A number with the minus sign that matplotlib's axes have, in place of a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def colour(safeguard: str) -> str:
    """The colour of a safeguard preset, the same in every figure; its variants share it."""
    base = safeguard.split("+")[0]
    return COLOURS.get(base) or SPARE_COLOURS[sum(map(ord, base)) % len(SPARE_COLOURS)]


def dashes(safeguard: str) -> str | tuple:
    """The line style of a safeguard preset: dashed without a safeguard, solid for a plain one."""
    if safeguard == "none":
        return (0, (4, 2))
    variant = safeguard.partition("+")[2]
    return DASHES.get(variant, (0, (3, 1, 1, 1, 1, 1)))


def marker(safeguard: str) -> str:
    """The marker of a safeguard preset: tells the variants of a safeguard apart."""
    return VARIANT_MARKERS.get(safeguard.partition("+")[2], "P")
