"""Headings above the columns of an animation: moved and sized so that each stays inside its column."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

EDGE = 4.0
"""Pixels left free beside a heading."""
SMALLEST = 0.5
"""Of its size: a heading that is too long for its column is set no smaller."""


class Heading(NamedTuple):
    """Two lines above some axes: a name, and a status that changes.

    longest: the longest status of all frames.
    """

    axes: Axes
    name: str
    title: Text
    status: Text
    longest: str


def place(figure: Figure, headings: Sequence[Heading]) -> None:
    """Place a heading for each column of a figure that is laid out and drawn.

    Both lines begin at the left edge of their axes or, above a narrow scene, further to the left.
    """
    share = figure.bbox.width / len(headings)
    for index, heading in enumerate(headings):
        left, right = index * share + EDGE, (index + 1) * share - EDGE
        begin = max(float(heading.axes.transAxes.transform((0.0, 0.0))[0]), left)
        for text, content in ((heading.status, heading.longest), (heading.title, heading.name)):
            text.set_text(content)
            begin = max(left, min(begin, right - _sized(text, right - left)))
            text.set_x(float(heading.axes.transAxes.inverted().transform((begin, 0.0))[0]))


def _sized(text: Text, room: float) -> float:
    """The width of a text after it is set as small as `room` needs."""
    size = float(text.get_fontsize())
    smallest = SMALLEST * size
    while (width := float(text.get_window_extent().width)) > room and size > smallest:
        size *= 0.95  # widths do not grow evenly with sizes
        text.set_fontsize(size)
    return width
