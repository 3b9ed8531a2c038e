"""Ctrl-C is not lost where Python only reports exceptions, and known where a library has swallowed it."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

AGAIN = 0.05
"""Seconds until a lost interrupt is raised again."""


@contextlib.contextmanager
def kept() -> Iterator[Callable[[], bool]]:
    """Raise a KeyboardInterrupt again that was raised where Python can only report exceptions, and goes on.

    Such places are callbacks of the garbage collector (jax has one) and `__del__` methods. Gives a function
    that tells whether Ctrl-C was pressed: a library that swallows it, as some do while they are imported, is
    left half made, and fails later with an error of its own.
    """
    pressed = threading.Event()
    report, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            report(lost)
            return
        # Not at once: it would be lost again, in this very hook.
        timers.append(threading.Timer(AGAIN, _thread.interrupt_main))
        timers[-1].daemon = True
        timers[-1].start()

    def handler(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    sys.unraisablehook = hook
    if ours:
        signal.signal(signal.SIGINT, handler)
    try:
        yield pressed.is_set
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = report
        for timer in timers:
            timer.cancel()
