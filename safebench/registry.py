"""Finding tasks, safeguards and learners by name: the three folders, entry points, or a file.

A plug-in is a module. Built-in ones are the files of safebench.tasks, safebench.safeguards and
safebench.baselines, named after the file with hyphens for underscores. Third parties register modules
under the entry-point groups of the same names, or name a file (`./my_task.py`) or a dotted path.

One module may hold several tasks of one kind: its `VARIANTS`, registered names with the arguments that
`make` and `synthesise` get for them.

What a plug-in's own code does wrong, from its first line on, is said in one line that names its file.
"""

import ast
import contextlib
import difflib
import functools
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal, NamedTuple

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
REQUIRED: dict[Kind, dict[str, str]] = {
    "task": {"make": "a function", "synthesise": "a function"},
    "safeguard": {"CERTIFIED": "True or False", "Config": "a class", "make": "a function"},
    "learner": {"Config": "a class", "SETTINGS": "a mapping", "make": "a function"},
}
"""What a module must define, and what that must be."""


class BrokenPlugin(ValueError):
    """A plug-in's own code did something wrong; one line that names its file."""


class Plugin(NamedTuple):
    """A plug-in found.

    name: what results record: the registered name, or the stem of the file it was given by.
    source: SHA-256 of that file; None for a registered plug-in. file: what messages call it.
    options: of a variant, what its module's functions are given.
    """

    kind: Kind
    name: str
    module: ModuleType
    source: str | None
    file: str
    options: Mapping[str, Any] = MappingProxyType({})


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


def name_of(text: str) -> str:
    """The recorded name of what names a plug-in: of `./my_task.py` and `package.my_task` it is `my-task`."""
    if text.endswith(".py"):
        return Path(text).stem.replace("_", "-").lower()
    return text.rpartition(".")[2].replace("_", "-").lower()


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
        found = _imported(kind, name, sources[name], None)
    elif text.endswith(".py"):
        found = _from_file(kind, Path(text))
    elif os.sep in text or Path(text).is_file():
        if Path(text).exists():
            raise LookupError(f"{text} is no Python file: a {kind} given by a file is a .py")
        raise LookupError(unknown(kind, text, sources))
    elif all(part.isidentifier() for part in text.split(".")) and "." in text:
        found = _imported(kind, name_of(text), text, text)
    else:
        raise LookupError(unknown(kind, text, sources))
    _check(found)
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


@contextlib.contextmanager
def speaking(file: str, function: str = "") -> Iterator[None]:
    """Turn whatever a plug-in's code raises, `sys.exit` included, into one line.

    Raises:
        BrokenPlugin: "FILE: FUNCTION(): ...".
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit, BrokenPlugin):
        raise
    except BaseException as error:
        where = f"{function}(): " if function else ""
        raise BrokenPlugin(f"{file}: {where}{_cause(error, file)}") from error


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


def _imported(kind: Kind, name: str, dotted: str, given: str | None) -> Plugin:
    """A module of an importable package; `given`: the dotted path that named it, if it is not registered."""
    try:
        with speaking(given or f"{kind} {name!r} ({dotted})"):
            module = importlib.import_module(dotted)
    except BrokenPlugin as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if given is not None and missing and (given == missing or given.startswith(f"{missing}.")):
            raise LookupError(f"no module {given!r} for a {kind}: {error.__cause__}") from None
        raise
    path = Path(module.__file__ or dotted)
    source = hashlib.sha256(path.read_bytes()).hexdigest() if given is not None and path.is_file() else None
    return Plugin(kind, name, module, source, str(path) if given is None else given)


def _from_file(kind: Kind, path: Path) -> Plugin:
    """A file, executed once for every content: what is hashed is what runs."""
    if not path.is_file():
        raise LookupError(f"no plug-in file {str(path)!r}")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LookupError(f"{path}: cannot be read: {error.strerror}") from None
    source = hashlib.sha256(text).hexdigest()
    place = hashlib.sha256(str(path.absolute()).encode()).hexdigest()
    identity = f"safebench_plugin_{path.stem}_{place[:8]}_{source[:16]}"
    if identity not in sys.modules:
        spec = importlib.util.spec_from_file_location(identity, path.absolute())
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[identity] = module  # dataclasses look their module up
        try:
            with speaking(str(path)):
                exec(compile(text, str(path.absolute()), "exec", dont_inherit=True), vars(module))
        except BaseException:
            del sys.modules[identity]
            raise
    return Plugin(kind, name_of(path.name), sys.modules[identity], source, str(path))


def _check(plugin: Plugin) -> None:
    """A plug-in defines what its kind must define, and each is what it must be.

    Raises:
        BrokenPlugin: naming what is missing, or what is something else.
    """
    needed, defined = REQUIRED[plugin.kind], vars(plugin.module)
    missing = [name for name in needed if name not in defined]
    if missing:
        raise BrokenPlugin(
            f"{plugin.name!r} is not a {plugin.kind}: {plugin.file} defines no {', '.join(missing)}"
        )
    for name, wanted in needed.items():
        value = defined[name]
        fits = {
            "a function": callable(value),
            "True or False": isinstance(value, bool),
            "a class": isinstance(value, type),
            "a mapping": isinstance(value, Mapping),
        }
        if not fits[wanted]:
            raise BrokenPlugin(f"{plugin.file}: {name} must be {wanted}, not {value!r:.80}")
    variants = defined.get("VARIANTS", {})
    if not (isinstance(variants, Mapping) and all(isinstance(each, Mapping) for each in variants.values())):
        raise BrokenPlugin(
            f"{plugin.file}: VARIANTS must map names to the arguments of make, not {variants!r:.80}"
        )


def _cause(error: BaseException, file: str) -> str:
    """What was raised, in one line: the line of code where that helps, the kind of error, its message."""
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"it calls sys.exit({code:.80}), which a plug-in must not"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
    if isinstance(error, SyntaxError):
        line = _line(error.lineno, error.filename or "?", file)
        return f"{line}{type(error).__name__}: {error.msg}"
    if isinstance(error, ValueError) and text:
        return text[:500]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    line = _line(own[-1].lineno, own[-1].filename, file) if own else ""
    return f"{line}{type(error).__name__}: {text[:500]}"


def _line(number: int | None, where: str, file: str) -> str:
    """A line of code; its file is named unless the message begins with it."""
    return (
        f"line {number}: "
        if Path(where).name == Path(file).name
        else f"line {number} of {Path(where).name}: "
    )
