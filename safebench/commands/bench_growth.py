"""What grows with the number of joints: proof, safe set, safeguard, training and physics of every arm.

All times are CPU seconds of this process, over all its threads: other work on the machine changes
them far less than the seconds that pass.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from safebench import atomic, registry
from safebench.commands import bench_learner, bench_physics, bench_safeguards
from safebench.report.style import COLOURS, MARKERS, colour, styled
from safebench.runs.api import guard
from safebench.sets import proof

SAFEGUARDS = ("boundary-projection", "ray-mask")
BATCH = 512
"""Actions at a time, of a safeguard."""


class Growth(NamedTuple):
    """One arm. share: of the box, by the certificate. seconds: of CPU.

    guard_us: microseconds per action, forward and backward, by safeguard.
    train_seconds: per 1000 interactions of SHAC with compiled dynamics, without compilation, by safeguard;
        compile_seconds: of that program.
    step_us: microseconds per state and step, forward and backward, by physics; step_compile_seconds: of
        that program, by physics.
    """

    task: str
    joints: int
    rows: int
    share: float
    certify_seconds: float
    guard_us: Mapping[str, float]
    train_seconds: Mapping[str, float]
    compile_seconds: Mapping[str, float]
    step_us: Mapping[str, float]
    step_compile_seconds: Mapping[str, float]


def measure(names: Sequence[str], report: Callable[[str], None]) -> list[Growth]:
    """Measure every arm named, fewest joints first.

    Raises:
        LookupError: for an unknown task. ValueError: for one that is not mechanical.
    """
    return sorted((_measure(name, report) for name in names), key=lambda found: found.joints)


def _measure(name: str, report: Callable[[str], None]) -> Growth:
    task = registry.make_task(name, "compiled")
    if task.dynamics.model is None:
        raise ValueError(f"{name!r} is not mechanical: there are no joints to count")
    clock = time.process_time
    report(f"{name}: proof")
    started = clock()
    proof.prove(task)
    certify_seconds = clock() - started
    report(f"{name}: safeguards")
    sets = bench_safeguards.action_sets(task, BATCH)
    guards = {preset: guard(preset) for preset in SAFEGUARDS}
    guarded = bench_safeguards.measure(name, sets, guards, (BATCH,), clock=clock)
    trained = bench_learner.measure(name, SAFEGUARDS, "shac", "compiled", report, clock=clock)
    steps = bench_physics.measure([name], report, clock)
    per_step = 1e3 / (bench_physics.BATCH * bench_physics.STEPS)
    return Growth(
        task=name,
        joints=int(task.dynamics.model.nv),
        rows=len(task.certificate.offsets),
        share=float(task.certificate.volume[0]),
        certify_seconds=certify_seconds,
        guard_us={row.safeguard: row.forward_backward_us for row in guarded},
        train_seconds={row.safeguard: row.seconds_per_1000 for row in trained},
        compile_seconds={row.safeguard: row.compile_seconds for row in trained},
        step_us={row.physics: per_step * row.gradient_ms for row in steps},
        step_compile_seconds={row.physics: row.gradient_compile for row in steps},
    )


PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("guard_us", "{} [us per action]", SAFEGUARDS),
    ("train_seconds", "training, {} [s per 1000]", ("none", *SAFEGUARDS)),
    ("compile_seconds", "to compile training, {} [s]", ("none", *SAFEGUARDS)),
    ("step_us", "a step, {} [us]", bench_physics.PHYSICS),
    ("step_compile_seconds", "to compile steps, {} [s]", bench_physics.PHYSICS),
)
"""Fields of Growth that hold a time for each of several names, what the table calls them, and the names."""


def lines(found: Sequence[Growth]) -> list[list[str]]:
    """The table's body: what is measured, then a value per arm."""
    body = [
        ["rows of the safe set", *(f"{arm.rows}" for arm in found)],
        ["share of the box [%]", *(f"{100 * arm.share:.1f}" for arm in found)],
        ["certify [s]", *(f"{arm.certify_seconds:.3g}" for arm in found)],
    ]
    for field, label, names in PARTS:
        body += [
            [label.format(name), *(f"{getattr(arm, field)[name]:.3g}" for arm in found)] for name in names
        ]
    return body


def draw(found: Sequence[Growth], path: Path) -> None:
    """Draw every time of the table against the number of joints."""
    panels: list[tuple[str, dict[str, Callable[[Growth], float]]]] = [
        ("certify [s]", {"proof": lambda arm: arm.certify_seconds})
    ]
    titles = ("safeguard [us per action]", "training [s per 1000]", "compile training [s]")
    for title, (field, _, names) in zip((*titles, "step [us]", "compile steps [s]"), PARTS, strict=True):
        panels.append((title, {name: _reader(field, name) for name in names}))
    with styled():
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        joints = [arm.joints for arm in found]
        for axes, (title, curves) in zip(figure.subplots(2, 3).flat, panels, strict=True):
            for (name, read), marker in zip(curves.items(), MARKERS, strict=False):
                look = {"color": colour(name)} if name in COLOURS else {}
                axes.plot(
                    joints, [read(arm) for arm in found], marker=marker, markersize=4, label=name, **look
                )
            axes.set(title=title, xscale="log", yscale="log", xticks=joints, xlabel="joints")
            axes.set_xticklabels([str(count) for count in joints])
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            if len(curves) > 1:
                axes.legend(frameon=False)
        with atomic.replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=150)


def _reader(field: str, name: str) -> Callable[[Growth], float]:
    return lambda arm: getattr(arm, field)[name]
