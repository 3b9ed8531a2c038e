"""The paper's published figures, for comparison: Walter et al., arXiv 2506.01665, results archive."""

from dataclasses import dataclass
from pathlib import Path

from safebench.record import json_text
from safebench.record.strict_json import about, build

# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

FILE = Path(__file__).with_name("paper.json")


@dataclass(frozen=True)
class PaperCell:
    """One cell of the archive. Names are ours."""

    task: str = about("task")
    safeguard: str = about("safeguard preset")
    learner: str = about("learner")
    runs: int = about("runs started", minimum=1)
    stuck: int = about("runs that its authors removed by hand before publishing", minimum=0)
    first_return: float = about("mean over the runs left, at the first evaluation", "reward")
    returns: tuple[float, ...] = about("final return of each run left", "reward", shortest=1)
    interactions_to_95: tuple[int, ...] = about("its '# steps' of each run left", "steps", minimum=0)


@dataclass(frozen=True)
class PaperTime:
    """Wall-clock time of one whole training run on its authors' machine."""

    task: str = about("task")
    learner: str = about("learner")
    safeguard: str = about("safeguard preset")
    seconds: float = about("of one run", "s", minimum=0)


@dataclass(frozen=True)
class Paper:
    """Everything published that our tables show beside our own figures."""

    source: str = about("where the figures come from")
    notes: tuple[str, ...] = about("how to read them")
    differences: dict[str, str] = about("tasks whose setting is not wholly ours, and what differs")
    start_states: dict[str, tuple[float, ...]] = about("its single evaluation start by task (inferred)")
    timing: tuple[PaperTime, ...] = about("run times")
    cells: tuple[PaperCell, ...] = about("returns")

    def cell(self, task: str, safeguard: str, learner: str) -> PaperCell | None:
        """The archive's cell of that name, if it has one."""
        wanted = (task, safeguard, learner)
        return next((c for c in self.cells if (c.task, c.safeguard, c.learner) == wanted), None)

    def seconds(self, task: str, safeguard: str, learner: str) -> float | None:
        """The archive's run time of that cell, if it has one."""
        wanted = (task, safeguard, learner)
        times = (t.seconds for t in self.timing if (t.task, t.safeguard, t.learner) == wanted)
        return next(times, None)


def load(path: str | Path = FILE) -> Paper:
    """The figures that ship with safebench, or those of another file of the same form.

    Raises:
        ValueError: one line, if the file cannot be read or has another form.
    """
    try:
        return build(Paper, json_text.decode(json_text.read(Path(path))))
    except OSError as error:
        raise ValueError(f"{path}: no file of reference figures: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: no file of reference figures: {error}") from None
