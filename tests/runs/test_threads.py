"""Threads: what a process gets, and that the numbers do not depend on how many cores there are."""

import os
import subprocess
import sys

import pytest

from safebench.runs.threads import OF_XLA, cores, limits, of_xla, pin


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert limits(3)["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in limits(3)
    monkeypatch.setenv("NPROC", "7")
    pin()
    assert of_xla() == 7


def test_nothing_asked_is_the_same_number_on_every_machine(monkeypatch):
    monkeypatch.delenv("NPROC", raising=False)
    assert of_xla() == cores()
    monkeypatch.setenv("NPROC", "")  # put back afterwards, whatever `pin` sets
    monkeypatch.delenv("NPROC")
    pin()
    assert of_xla() == OF_XLA


@pytest.mark.parametrize("asked", ["", "0", "-1", "many"])
def test_what_names_no_number_of_threads_leaves_all_cores(asked, monkeypatch):
    monkeypatch.setenv("NPROC", asked)
    assert of_xla() == cores()


CODE = """
import hashlib, os, sys
if sys.argv[1:]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from safebench.runs import precision
precision.start(cache=False)
import jax, jax.numpy as jnp
x = jax.random.normal(jax.random.key(0), (64, 300, 33), jnp.float32)
w = jax.random.normal(jax.random.key(1), (33, 64), jnp.float32)
layer = lambda w: jax.nn.elu(x @ w)
loss = lambda w: jnp.sum(jnp.tanh(layer(w) / (1 + jnp.linalg.norm(layer(w), axis=-1, keepdims=True))))
print(hashlib.sha256(jax.jit(jax.grad(loss))(w).tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="keeps the process to one core")
def test_one_core_gives_the_bits_of_several():
    """No control with another NPROC: whether it rounds differently is a matter of the processor."""
    names = ("NPROC", "XLA_FLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    digests = {
        subprocess.run(
            [sys.executable, "-c", CODE, *core],
            env={**environment, "JAX_PLATFORMS": "cpu"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for core in ([], ["one"])
    }
    assert len(digests) == 1
