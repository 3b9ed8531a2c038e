"""Finding tasks, safeguards and learners by name: the three folders, entry points, or a file.

A plug-in is a module. Built-in ones are the files of safebench.tasks, safebench.safeguards and
safebench.baselines, named after the file with hyphens for underscores. Third parties register modules
under the entry-point groups of the same names, or name a file (`./my_task.py`) or a dotted path.
"""

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

Kind = Literal["task", "safeguard", "learner"]

PACKAGES: dict[Kind, str] = {
    "task": "safebench.tasks",
    "safeguard": "safebench.safeguards",
    "learner": "safebench.baselines",
}
GROUPS: dict[Kind, str] = {
    "task": "safebench.tasks",
    "safeguard": "safebench.safeguards",
    "learner": "safebench.learners",
}
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "task": ("make", "synthesise"),
    "safeguard": ("CERTIFIED", "Config", "make"),
    "learner": ("Config", "SETTINGS", "make"),
}


def names(kind: Kind) -> list[str]:
    """All registered names of one kind, sorted.

    Raises:
        LookupError: if two plug-ins claim one name.
    """
    return sorted(_sources(kind))


def make_task(name: str, *options, **more) -> Any:
    """The task called `name`, made with its module's `make(*options)`.

    Raises:
        LookupError: as `load`. ValueError: what `make` refuses, with the task's name before it.
    """
    module = load("task", name)
    try:
        return module.make(*options, **more)
    except ValueError as error:
        raise ValueError(f"task {name!r}: {error}") from error


def load(kind: Kind, name: str) -> ModuleType:
    """The plug-in module called `name`: a registered name, a path to a .py file, or a dotted path.

    Raises:
        LookupError: for an unknown name (with the nearest known ones), a duplicate or a missing file.
        ValueError: if the module lacks what its kind must define.
    """
    if name.endswith(".py"):
        module = _load_file(Path(name))
    elif "." in name:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise LookupError(f"no module {name!r} for a {kind}: {error}") from None
    else:
        sources = _sources(kind)
        if name not in sources:
            raise LookupError(unknown(kind, name, sources))
        module = importlib.import_module(sources[name])
    missing = [needed for needed in REQUIRED[kind] if needed not in vars(module)]
    if missing:
        raise ValueError(f"{name!r} is not a {kind}: {module.__file__} defines no {', '.join(missing)}")
    return module


def summary(module: ModuleType) -> str:
    """The first line of a plug-in's docstring."""
    return (module.__doc__ or "").strip().split("\n")[0]


def unknown(kind: str, name: str, known) -> str:
    """The message for an unknown name: what is near, what there is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(sorted(known))}"


def _sources(kind: Kind) -> dict[str, str]:
    package = importlib.import_module(PACKAGES[kind])
    found = {
        info.name.replace("_", "-"): f"{PACKAGES[kind]}.{info.name}"
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    }
    for point in entry_points(group=GROUPS[kind]):
        if point.name in found and found[point.name] != point.value:
            raise LookupError(
                f"two plug-ins are the {kind} {point.name!r}: {found[point.name]} and {point.value}"
            )
        found[point.name] = point.value
    return found


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise LookupError(f"no plug-in file {str(path)!r}")
    identity = f"safebench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(identity, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[identity] = module
    spec.loader.exec_module(module)
    return module
