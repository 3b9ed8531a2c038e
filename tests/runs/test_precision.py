"""What a process of ours settles before the first array: the random stream, the cache, the device."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from safebench.runs import precision

HOSTILE = {
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_ENABLE_CUSTOM_PRNG": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DISABLE_JIT": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_LEGACY_PRNG_KEY": "error",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}
STREAM = """
import jax, jax.numpy as jnp
{first}
key = jax.random.key(0)
print(jax.random.uniform(key, (4,)).tolist(), jax.random.normal(jax.random.split(key)[1], (3,)).tolist())
print(jax.random.uniform(jax.random.PRNGKey(3)), jax.random.categorical(key, jnp.zeros(9)))
print((jnp.ones((2, 3)) + jnp.arange(3) * 2).tolist(), jax.jit(lambda x: jnp.log(x - 1))(1.0))
print(jax.config.jax_disable_jit)
"""
OURS = "from safebench.runs.precision import start; start(cache=False)"
THEIRS = "import safebench; safebench.configure()"


def python(code, **environment):
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("JAX_")}, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_environment_changes_no_random_number_and_no_program_of_ours():
    calm, hostile = (python(STREAM.format(first=OURS), **env) for env in ({}, HOSTILE))
    assert calm.returncode == 0, calm.stderr
    assert (hostile.stdout, hostile.returncode) == (calm.stdout, 0), hostile.stderr
    # The control: a user's jax that nothing was done to.
    untouched = python(
        STREAM.format(first="jax.config.update('jax_enable_x64', True)"), JAX_RANDOM_SEED_OFFSET="7"
    )
    assert untouched.returncode == 0, untouched.stderr
    assert untouched.stdout != calm.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["JAX_DEFAULT_PRNG_IMPL", "JAX_RANDOM_SEED_OFFSET", "JAX_THREEFRY_PARTITIONABLE"]
)
def test_each_variable_that_changes_the_stream_does_so_without_us(name):
    alone = {name: HOSTILE[name]}
    first = "jax.config.update('jax_enable_x64', True)"
    assert python(STREAM.format(first=first), **alone).stdout != python(STREAM.format(first=first)).stdout
    assert python(STREAM.format(first=OURS), **alone).stdout == python(STREAM.format(first=OURS)).stdout


def test_a_users_process_has_our_stream_and_keeps_its_tools_for_debugging():
    code = (
        f"{THEIRS}\nimport jax\n"
        "print(jax.random.uniform(jax.random.key(0)), jax.config.jax_debug_nans, jax.config.jax_disable_jit)"
    )
    kept = {name: HOSTILE[name] for name in HOSTILE if name not in ("JAX_TRANSFER_GUARD",)}
    found = python(code, **kept)
    assert found.stdout == f"{jax.random.uniform(jax.random.key(0))} True True\n", found.stderr


def test_every_pinned_option_is_one_of_jax():
    """A misspelt one would be passed over in silence."""
    known = {*jax.config.values, "jax_transfer_guard"}
    assert {*precision.NUMBERS, *precision.BEHAVIOUR} <= known
    assert "jax_transfer_guard" in jax.config.values


@pytest.fixture
def no_cache(monkeypatch):
    """Where a process is that has said nothing yet; the cache of the tests is set again at the end."""
    before = jax.config.values["jax_compilation_cache_dir"]
    monkeypatch.setattr(precision, "_said", set())
    jax.config.update("jax_compilation_cache_dir", None)
    yield monkeypatch
    jax.config.update("jax_compilation_cache_dir", before)


def cache():
    return jax.config.values["jax_compilation_cache_dir"]


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_cache_variable_means_the_default(value, no_cache, tmp_path):
    no_cache.setenv("HOME", str(tmp_path))
    no_cache.chdir(tmp_path)
    if value is None:
        no_cache.delenv("SAFEBENCH_CACHE", raising=False)
    else:
        no_cache.setenv("SAFEBENCH_CACHE", value)
    precision.start()
    assert cache() == str(tmp_path / ".cache" / "safebench" / "xla")
    assert not (tmp_path / "xla").exists()


def test_a_relative_cache_stays_where_it_was(no_cache, tmp_path):
    no_cache.chdir(tmp_path)
    no_cache.setenv("SAFEBENCH_CACHE", "mine")
    precision.start()
    assert cache() == str(tmp_path / "mine" / "xla")


def no_home(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(RuntimeError):
        Path.home()


def test_a_user_without_a_home_or_a_name_has_no_cache_and_is_told_once(no_cache, capsys):
    no_cache.delenv("SAFEBENCH_CACHE", raising=False)
    no_home(no_cache)
    precision.start()
    precision.start()
    assert cache() is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "compiled programs are not kept: ~/.cache/safebench: " in error
    assert "SAFEBENCH_CACHE" in error


@pytest.mark.parametrize("value", ["/proc/cache", "{file}", "{file}/below", "~nobody-of-this-name/x"])
def test_a_cache_that_cannot_be_written_is_named_and_done_without(value, no_cache, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = value.format(file=tmp_path / "file")
    no_cache.setenv("SAFEBENCH_CACHE", place)
    precision.start()
    assert cache() is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert repr(place) in error


@pytest.mark.parametrize(
    ("name", "value"), [("JAX_PLATFORMS", "cuda"), ("JAX_PLATFORMS", "mars"), ("JAX_PLATFORM_NAME", "mars")]
)
def test_a_device_that_is_not_there_is_named_with_the_variable(name, value):
    if value == "cuda" and any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is one")
    code = "from safebench.runs import precision as p; p.start(cache=False); p.require_device()"
    found = python(code, **{name: value})
    assert found.returncode == 1
    said = found.stderr.strip().splitlines()[-1]
    assert said.startswith(f"ValueError: {name}={value!r}: no such device can be used here, only: cpu")


def test_workers_devices_are_asked_for_elsewhere(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("JAX_PLATFORM_NAME", raising=False)
    monkeypatch.setattr(precision, "_python", lambda code: pytest.fail("nothing was to be asked"))
    precision.require_device_elsewhere()
    monkeypatch.undo()
    monkeypatch.setenv("JAX_PLATFORMS", "mars")
    with pytest.raises(ValueError, match=r"^JAX_PLATFORMS='mars': no such device can be used here"):
        precision.require_device_elsewhere()


def test_flags_that_xla_would_die_of_are_refused(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--nonsense=1")
    with pytest.raises(ValueError, match=r"^XLA_FLAGS='--nonsense=1': Unknown flag in XLA_FLAGS"):
        precision.check_xla_flags()
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    precision.check_xla_flags()
