"""safebench: a benchmark for provably safe reinforcement learning from analytic gradients.

    configure      choose the precision, before the first array
    make           a safeguarded environment
    guard          a safeguard with changed settings
    filter         a safety filter for a control loop of one's own
    prove          prove a safe set again
    train          train one cell
    load_results   result files as one table
    list_tasks, list_safeguards, list_learners, list_suites

Whoever writes a plug-in imports `safebench.task`, `safebench.safeguard` or `safebench.learner`.

Importing this package does not import jax: what it offers is found when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safebench.record.frame import load_results
    from safebench.runs.api import filter, guard, make, prove, train
    from safebench.runs.names import list_learners, list_safeguards, list_suites, list_tasks
    from safebench.runs.precision import configure

__version__ = "0.1.0"

__all__ = [
    "configure",
    "filter",
    "guard",
    "list_learners",
    "list_safeguards",
    "list_suites",
    "list_tasks",
    "load_results",
    "make",
    "prove",
    "train",
]

_HOMES: dict[str, str] = {
    "configure": "safebench.runs.precision",
    "load_results": "safebench.record.frame",
    **dict.fromkeys(("make", "guard", "filter", "prove", "train"), "safebench.runs.api"),
    **dict.fromkeys(
        ("list_tasks", "list_safeguards", "list_learners", "list_suites"), "safebench.runs.names"
    ),
}


def __getattr__(name: str) -> Any:
    """What the package offers, imported when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'safebench' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
