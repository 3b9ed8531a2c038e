"""Options that more than one command has."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

Names = list[str] | None
BackEnd = Literal["mjx", "compiled"]

Tasks = Annotated[Names, Option("--task", "-t", help="Task name or file.")]
Safeguards = Annotated[Names, Option("--safeguard", "-g", help="Safeguard or preset name, or file.")]
Learners = Annotated[Names, Option("--learner", "-l", help="Learner name or file.")]
Seeds = Annotated[int | None, Option(help="Seeds 0 to N-1, trained together.")]
Interactions = Annotated[int | None, Option("--interactions", "-n", help="Training steps of each seed.")]
Physics = Annotated[BackEnd, Option(help="Physics back end.")]
Precision = Annotated[Literal["float64", "float32"], Option(help="Of physics and safety.")]
Assignments = Annotated[
    Names,
    Option(
        "--set",
        help="learner|safeguard|task.FIELD=VALUE, evaluation.points|starts|horizon=N.",
    ),
]
Force = Annotated[bool, Option(help="Redo finished cells, and discard what is kept of interrupted ones.")]
Workers = Annotated[
    int | None, Option(help="Cells at a time, each in a process of its own [default: 1, in this one].")
]
Results = Annotated[Path, Argument(help="Where the result files are, at any depth.")]


def examples(*lines: str) -> str:
    """What stands below a command's help."""
    heading = "Examples" if len(lines) > 1 else "Example"
    return "\n\n- ".join([f"{heading}:", *lines])
