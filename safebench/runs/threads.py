"""How many threads a process computes with."""

import os
import sys

OF_XLA = 2
"""Of XLA on the CPU, in every process of our own.

XLA cuts loops and sums into one part a thread, and each number of threads may round differently; training
amplifies the last bits. A cell must give the same numbers alone, beside others and on machines with more
cores, and go on with them in another place. Small networks are not faster on more threads; NPROC in the
environment chooses another number.
"""


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def of_xla() -> int:
    """The threads XLA computes with on the CPU: NPROC, or the cores."""
    asked = os.environ.get("NPROC", "")
    return int(asked) if asked.isdecimal() and int(asked) else cores()


def pin() -> None:
    """From the first array on, XLA computes with `OF_XLA` threads, unless NPROC names another number."""
    os.environ.setdefault("NPROC", str(OF_XLA))


def limits(threads: int) -> dict[str, str]:
    """Environment variables that keep a process to so many threads; what the user has set stays."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    chosen = dict.fromkeys(names, str(threads))
    # Several processes share an accelerator only if none takes all of its memory at once.
    chosen["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    return {name: value for name, value in chosen.items() if name not in os.environ}
