"""One task, safeguard or learner: a module, registered or given as a file, imported and looked over.

What a plug-in's own code does wrong, from its first line on, is said in one line that names its file.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal, NamedTuple

Kind = Literal["task", "safeguard", "learner"]

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
    options: of a variant, what its module's functions are given; of a learner's, the settings it changes.
    """

    kind: Kind
    name: str
    module: ModuleType
    source: str | None
    file: str
    options: Mapping[str, Any] = MappingProxyType({})


def name_of(text: str) -> str:
    """The recorded name of what names a plug-in: of `./my_task.py` and `package.my_task` it is `my-task`."""
    if text.endswith(".py"):
        return Path(text).stem.replace("_", "-").lower()
    return text.rpartition(".")[2].replace("_", "-").lower()


def of_module(kind: Kind, name: str, dotted: str, given: str | None) -> Plugin:
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


def of_file(kind: Kind, path: Path) -> Plugin:
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


def require_defined(plugin: Plugin) -> None:
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
            f"{plugin.file}: VARIANTS must map names to the arguments of make, of a learner to settings, "
            f"not {variants!r:.80}"
        )

    search = defined.get("SEARCH", {})
    if not (
        isinstance(search, Mapping) and all(isinstance(each, tuple) and each for each in search.values())
    ):
        raise BrokenPlugin(
            f"{plugin.file}: SEARCH must map names of settings to tuples of their choices, not {search!r:.80}"
        )


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
    frames, here = traceback.extract_tb(error.__traceback__), Path(__file__).parent
    own = [
        frame for frame in frames if Path(frame.filename).parent != here and "importlib" not in frame.filename
    ]
    line = _line(own[-1].lineno, own[-1].filename, file) if own else ""
    return f"{line}{type(error).__name__}: {text[:500]}"


def _line(number: int | None, where: str, file: str) -> str:
    """A line of code; its file is named unless the message begins with it."""
    return (
        f"line {number}: "
        if Path(where).name == Path(file).name
        else f"line {number} of {Path(where).name}: "
    )
