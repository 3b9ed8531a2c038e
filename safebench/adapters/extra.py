"""An adapter's library, which safebench does not need otherwise, may be missing."""

import importlib.util


def require(module: str, *, of: str, install: str) -> None:
    """Say in one line how to get what is missing.

    of: who needs it. install: what pip installs.

    Raises:
        ModuleNotFoundError: if there is no such module.
    """
    if importlib.util.find_spec(module) is None:
        raise ModuleNotFoundError(f"{of} needs {module}: pip install '{install}'", name=module)
