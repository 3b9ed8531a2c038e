"""`safebench new`: a task, safeguard, learner or package that works as it is, to be changed."""

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench import registry
from safebench.commands import new_files
from safebench.runs import presets

KINDS = ("task", "safeguard", "learner", "package")
NAME = "[a-z][a-z0-9]*(-[a-z0-9]+)*"
LONGEST = 50


def new(kind: str, name: str, folder: Path, console: Console) -> None:
    """Write the files and say what to do next. Nothing is overwritten. my_task is my-task.

    Raises:
        ValueError: for a name that the file, the module or a result could not have, or that is taken.
        FileExistsError: if a file is there already. OSError: if the folder cannot be written.
    """
    name = name.replace("_", "-")
    check_spelling(kind, name)
    check_absent(kind, name, folder)
    check_free(kind, name)
    files = new_files.of_kind(kind, name, console)
    for path in new_files.write(folder, files):
        console.print(Text(f"Wrote {path}"), soft_wrap=True)
    console.print(Text("Next:"))
    for line in next_commands(kind, name, folder):
        console.print(Text(f"  {line}"), soft_wrap=True)


def check_spelling(kind: str, name: str) -> None:
    """Raise ValueError if no plug-in can be called so; the message names the rule."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST:
        raise ValueError(
            f"{kind} name {name!r:.100}: expected a-z, 0-9 and single hyphens, a letter first, at most "
            f"{LONGEST} characters, like my-{kind}"
        )
    module = new_files.module_of(name)
    if keyword.iskeyword(module):
        raise ValueError(f"{kind} name {name!r}: {module} is a word of Python, and no module can have it")


def check_free(kind: str, name: str) -> None:
    """Raise ValueError if the name is a module's or a registered plug-in's."""
    module = new_files.module_of(name)
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise ValueError(f"{kind} name {name!r}: there is a module {module} already, which yours would hide")
    for each in KINDS[:3]:
        known = presets.names() if each == "safeguard" else registry.names(each)  # type: ignore[arg-type]
        taken = [name] if kind == each else [f"{name}-{each}"] if kind == "package" else []
        for one in taken:
            if one in known:
                raise ValueError(f"{kind} name {name!r}: {one} is a registered {each}; choose another name")


def check_absent(kind: str, name: str, folder: Path) -> None:
    """Raise FileExistsError naming the first file that is there already, NotADirectoryError for a folder."""
    module = new_files.module_of(name)
    files = [f"{module}.py"]
    if kind == "task":
        files += [f"assets/{module}.xml", f"certificates/{module}.npz"]
    for path in (folder / file for file in ([name] if kind == "package" else files)):
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"{path} exists already; nothing was written")
        for parent in path.parents:
            if parent.exists() and not parent.is_dir():
                raise NotADirectoryError(f"{parent} is a file, not a folder; nothing was written")


def next_commands(kind: str, name: str, folder: Path) -> list[str]:
    """What one does first with a new plug-in."""
    file = str(folder / f"{new_files.module_of(name)}.py")
    short = "--seeds 2 -n 20000"
    return {
        "task": [f"safebench certify {file}", f"safebench run -t {file} -g ray-mask -l shac {short}"],
        "safeguard": [f"safebench run -t pendulum -g {file} -l shac {short}"],
        "learner": [f"safebench run -t pendulum -g ray-mask -l {file} {short}"],
        "package": [
            f"pip install --editable '{folder / name}[dev]'",
            f"safebench certify {name}-task",
            f"safebench run -t {name}-task -g {name}-safeguard -l {name}-learner {short}",
            f"python -m pytest {folder / name}",
        ],
    }[kind]
