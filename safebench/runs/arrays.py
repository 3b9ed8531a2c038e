"""Arrays on disk, by orbax: it is imported at the first use, and what it raises is said in a few words."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def checkpointer() -> Iterator[Any]:
    """Orbax's checkpointer: `save(folder, tree)` and `restore(folder, like)`, done when the block is left."""
    import orbax.checkpoint  # a part of a second to import, and needed for nothing else

    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs the traceback of what it also raises
    try:
        with orbax.checkpoint.StandardCheckpointer() as opened:
            yield opened
    finally:
        logger.setLevel(level)


def cause(error: BaseException) -> str:
    """What is wrong, without the storage library's own words around it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    system = re.search(r"([^:\[\]]+) \[os_error_code", line)
    return system.group(1).strip() if system else line
