"""What `safebench new` writes: the files of a plug-in or a package, from templates, by their paths."""

import tempfile
from importlib import resources
from pathlib import Path
from string import Template

from rich.console import Console

from safebench import registry
from safebench.commands import synthesis
from safebench.sets import certificate as certificates
from safebench.sets import proof

Files = dict[str, bytes]
"""Contents by path, relative to the folder they are written in."""


def of_kind(kind: str, name: str, console: Console) -> Files:
    """The files of a new task, safeguard, learner or package called `name`; a task's set is proven."""
    makers = {"task": task, "safeguard": safeguard, "learner": learner, "package": package}
    return makers[kind](name, console)


def task(name: str, console: Console) -> Files:
    """A task that works as it is: its code, its model, and its safe set, found and proven now.

    Raises:
        ValueError: if the set is not proven, which would be a fault of the template.
    """
    module = module_of(name)
    files = {f"{module}.py": _filled("task.py", name), f"assets/{module}.xml": _filled("model.xml", name)}
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), files)
        file, npz = str(Path(place) / f"{module}.py"), f"certificates/{module}.npz"
        certificates.save(synthesis.search(file, console, shown=name), Path(place) / npz)
        checked = proof.prove(registry.make_task(file, "compiled"))
        if not checked.passed:
            raise ValueError(f"the safe set of {name} is not proven: {'; '.join(checked.failures)}")
        return files | {npz: (Path(place) / npz).read_bytes()}


def safeguard(name: str, console: Console) -> Files:
    """A certified safeguard."""
    return {f"{module_of(name)}.py": _filled("safeguard.py", name)}


def learner(name: str, console: Console) -> Files:
    """A learner that differentiates through safeguard and physics."""
    return {f"{module_of(name)}.py": _filled("learner.py", name)}


def package(name: str, console: Console) -> Files:
    """An installable project with one of each, registered under entry points, and a test."""
    module = module_of(name)
    parts = {
        **task(f"{name}-task", console),
        **safeguard(f"{name}-safeguard", console),
        **learner(f"{name}-learner", console),
        "__init__.py": f'"""A task, a safeguard and a learner for safebench: {name}."""\n'.encode(),
    }
    return {
        f"{name}/pyproject.toml": _filled("package_pyproject.toml", name),
        f"{name}/README.md": _filled("package_README.md", name),
        f"{name}/tests/test_{module}.py": _filled("package_test.py", name),
        **{f"{name}/{module}/{path}": content for path, content in parts.items()},
    }


def write(folder: Path, files: Files) -> list[Path]:
    """Write the files; where they are. None is ever overwritten.

    Raises:
        FileExistsError: if one is there. OSError: if the folder cannot be written.
    """
    paths = [folder / path for path in files]
    written: list[Path] = []
    try:
        for path, content in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                written.append(path)
                file.write(content)
    except OSError as error:
        for each in written:
            each.unlink(missing_ok=True)
        raise OSError(error.errno, f"{error.strerror}; nothing was written", str(path)) from None
    return paths


def module_of(name: str) -> str:
    """The stem of a plug-in's file."""
    return name.replace("-", "_")


def _filled(template: str, name: str) -> bytes:
    text = (resources.files("safebench.commands") / "templates" / f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(name=name, module=module_of(name)).encode()
