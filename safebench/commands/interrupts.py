"""Ctrl-C is not lost where Python only reports exceptions."""

import _thread
import contextlib
import sys
import threading
from collections.abc import Iterator

AGAIN = 0.05
"""Seconds until a lost interrupt is sent again."""


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Send a KeyboardInterrupt again that was raised where Python can only report exceptions, and goes on.

    Such places are callbacks of the garbage collector (jax has one) and `__del__` methods. What a library
    swallows without a report stays lost.
    """
    report, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            report(lost)
            return
        timers.append(
            threading.Timer(AGAIN, _thread.interrupt_main)
        )  # now it would be lost again, in this very hook
        timers[-1].daemon = True
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report
        for timer in timers:
            timer.cancel()
