"""Finding tasks, safeguards and learners by name: the three folders, entry points, or a file.

A plug-in is a module. Built-in ones are the files of safebench.tasks, safebench.safeguards and
safebench.baselines, named after the file with hyphens for underscores. Third parties register modules
under the entry-point groups of the same names, or name a file (`./my_task.py`) or a dotted path.

One module may hold several tasks of one kind: its `VARIANTS`, registered names with the arguments that
`make` and `synthesise` get for them. A learner's are names with the settings that they change.
"""

import ast
import difflib
import functools
import importlib
import importlib.util
import os
import pkgutil
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from safebench.plugin import Kind, Plugin, name_of, of_file, of_module, require_defined, speaking

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


def names(kind: Kind) -> list[str]:
    """All registered names of one kind that one plug-in alone claims, sorted."""
    return sorted(_sources(kind)[0])


def modules(kind: Kind) -> dict[str, str]:
    """The module of every name of `names`. None is imported."""
    return _sources(kind)[0]


def is_registered(kind: Kind, text: str) -> bool:
    """Whether `text` names a registered plug-in, by its name or its module."""
    sources, _ = _sources(kind)
    return text in sources or text in sources.values()


def built_in(kind: Kind, text: str) -> bool:
    """Whether `text` names one of safebench's own."""
    return _sources(kind)[0].get(text, text).startswith(f"{PACKAGES[kind]}.")


def make_task(name: str, *options: Any, **more: Any) -> Any:
    """The task called `name`, made with its module's `make(*options)` and the options of its variant.

    Raises:
        LookupError: as `find`. ValueError: what `make` refuses or does wrong, with the task's name or file.
    """
    found = find("task", name)
    where = (f"task {found.name!r}",) if found.source is None else (found.file, "make")
    with speaking(*where):
        return found.module.make(*options, **{**found.options, **more})


def load(kind: Kind, name: str) -> ModuleType:
    """The module of `find`."""
    return find(kind, name).module


def find(kind: Kind, text: str) -> Plugin:
    """The plug-in that `text` names: a registered name, a path to a .py file, or a dotted path.

    Raises:
        LookupError: for an unknown name (with the nearest known ones), one that two claim, or a missing file.
        ValueError: if the module cannot be imported or lacks what its kind must define.
    """
    sources, clashes = _sources(kind)
    by_module = {source: name for name, source in sources.items() if name == name_of(source)}
    by_module = {source: name for name, source in sources.items()} | by_module
    if text in clashes:
        raise LookupError(clashes[text])
    if text in sources or text in by_module:
        name = by_module.get(text, text)
        found = of_module(kind, name, sources[name], None)
    elif text.endswith(".py"):
        found = of_file(kind, Path(text))
    elif os.sep in text or Path(text).is_file():
        if Path(text).exists():
            raise LookupError(f"{text} is no Python file: a {kind} given by a file is a .py")
        raise LookupError(unknown(kind, text, sources))
    elif all(part.isidentifier() for part in text.split(".")) and "." in text:
        found = of_module(kind, name_of(text), text, text)
    else:
        raise LookupError(unknown(kind, text, sources))
    require_defined(found)
    variants = getattr(found.module, "VARIANTS", {}) if found.source is None else {}
    return found._replace(options=variants.get(found.name, found.options))


def broken(kind: Kind) -> dict[str, str]:
    """The registered plug-ins that cannot be used, and why, in one line that names the file.

    Imports all of that kind.
    """
    sources, found = _sources(kind)
    found = dict(found)
    for name in sources:
        try:
            find(kind, name)
        except (LookupError, ValueError) as error:
            found[name] = str(error.args[0])
    return found


def summary(module: ModuleType) -> str:
    """The first line of a plug-in's docstring."""
    return (module.__doc__ or "").strip().split("\n")[0]


def unknown(kind: str, name: str, known) -> str:
    """The message for an unknown name: what is near, what there is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(sorted(known))}"


def _sources(kind: Kind) -> tuple[dict[str, str], dict[str, str]]:
    """The module of every name, and of every name that cannot be given to one the reason.

    A built-in name is the built-in's, whatever else claims it.
    """
    package = importlib.import_module(PACKAGES[kind])
    built_in = {
        info.name.replace("_", "-"): f"{PACKAGES[kind]}.{info.name}"
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    }
    for module in tuple(built_in.values()):
        built_in |= dict.fromkeys(_variants(module), module)
    claims: dict[str, dict[str, None]] = {}
    for point in entry_points(group=GROUPS[kind]):
        claims.setdefault(point.name, {})[point.value] = None
    found, clashes = dict(built_in), {}
    for name, values in claims.items():
        others = sorted(value for value in values if value != built_in.get(name))
        if name in built_in and others:
            clashes[f"{name} ({', '.join(others)})"] = (
                f"the {kind} {name!r} of {', '.join(others)} cannot be used: {built_in[name]} has that name"
            )
        elif len(others) > 1:
            clashes[name] = f"two plug-ins are the {kind} {name!r}: {' and '.join(others)}; uninstall one"
        else:
            found |= dict.fromkeys([name], *others) if others else {}
    return found, clashes


@functools.cache
def _variants(module: str) -> tuple[str, ...]:
    """The names in a built-in module's VARIANTS, which is written out as a literal; it is not imported."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ()
    for node in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["VARIANTS"]:
            return tuple(ast.literal_eval(node.value))
    return ()
