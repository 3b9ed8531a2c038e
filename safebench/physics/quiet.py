"""MJX prints about back ends nobody asked for when it is first imported; a library prints nothing."""

import contextlib
import io
from contextlib import AbstractContextManager


def quiet() -> AbstractContextManager:
    """A place to import MJX, or what imports it, without its remarks."""
    return contextlib.redirect_stdout(io.StringIO())
