"""Rollouts as an animation in a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from safebench import atomic
from safebench.commands.column import Column, Part, show
from safebench.commands.picture import View
from safebench.commands.plane import Window
from safebench.commands.scene import DPI, compose
from safebench.env.task import Task
from safebench.report.style import styled

FORMATS = (".gif", ".mp4")
COLOURS = 128
"""Of a GIF; fewer than 256 leave one for "as before", which makes it small."""


def check_format(path: Path) -> None:
    """Whether an animation can be written to `path`.

    Raises:
        ValueError: for another suffix than .gif and .mp4, and for .mp4 where there is no ffmpeg.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: an animation is a .gif or an .mp4")
    if path.suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise ValueError(f"{path}: writing .mp4 needs ffmpeg, which is not installed; choose a .gif")


def frame_indices(steps: int, control_period: float, fps: int, most: int = 240) -> list[int]:
    """Which of the states 0..steps become frames: real time where it is humanly slow, `most` at the most."""
    real_time = round(1 / (fps * control_period)) if control_period < 1 else 1
    stride = max(1, real_time, -(-steps // most))
    return [*range(0, steps, stride), steps]


def save(
    task: Task,
    columns: Sequence[Column],
    seen: View | Window | None,
    indices: Sequence[int],
    fps: int,
    path: Path,
) -> None:
    """Write the animation, one frame per index; the file appears when it is complete.

    seen: what is seen of a mechanism or of a plane; None for a task that has neither.

    Raises:
        ValueError: as `check_format`. OSError: if the file cannot be written.
    """
    check_format(path)
    with styled(), atomic.replacing(path) as unfinished:
        figure, parts = compose(task, columns, seen, indices)
        if path.suffix == ".gif":
            _save_gif(
                [Image.fromarray(picture) for picture in frames(figure, parts, indices)], fps, unfinished
            )
        else:
            writer = FFMpegWriter(fps=fps)
            with writer.saving(figure, str(unfinished), DPI):
                for frame in range(len(indices)):
                    show(parts, indices, frame)
                    writer.grab_frame()


def frames(figure: Figure, parts: Sequence[Part], indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Every frame (height, width, 3): what stands still is drawn once."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for frame in range(len(indices)):
        show(parts, indices, frame)
        canvas.restore_region(still)
        for part in parts:
            for artist in part.artists:
                figure.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _save_gif(pictures: Sequence[Image.Image], fps: int, path: Path) -> None:
    # The last frame has every colour; one palette without dithering keeps still parts still, and small.
    palette = pictures[-1].quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    table = np.array(palette.getpalette()).reshape(-1, 3)
    table[table.sum(axis=1).argmax()] = 255  # white was averaged with what is nearly white
    palette.putpalette(table.ravel().tolist())
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)
