"""All tests run in float64 with the compilation cache on; tasks are built once."""

import functools

import pytest

from safebench import registry
from safebench.precision import configure

configure()


@functools.cache
def _build(name, physics):
    return registry.load("task", name).make(physics)


@pytest.fixture(scope="session")
def task_of():
    """(name, physics) -> the task, built once per session."""
    return lambda name, physics="mjx": _build(name, physics)
