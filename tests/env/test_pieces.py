"""Long batches in pieces: what `jax.vmap` gives, of any length, with derivatives."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env.pieces import ENOUGH, PIECE, mapped

COUNTS = [1, ENOUGH - 1, ENOUGH, ENOUGH + 1, 3 * PIECE, 3 * PIECE + 1, 5 * PIECE - 1]


class Member(NamedTuple):
    key: jax.Array
    x: jax.Array
    nothing: jax.Array


def turned(member, angle):
    noise = jax.random.normal(member.key, (3,))
    x = jnp.sin(member.x * angle) + noise
    return member._replace(x=x), {
        "sum": x.sum(),
        "count": jnp.int32(member.x[0] * 10),
        "none": member.nothing,
    }


def batch(count):
    rng = np.random.default_rng(count)
    keys = jax.random.split(jax.random.key(count), count)
    return Member(keys, jnp.asarray(rng.normal(size=(count, 3))), jnp.zeros((count, 0), bool)), jnp.asarray(
        rng.normal(size=count)
    )


def numbers(tree):
    return [
        np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in jax.tree.leaves(tree)
    ]


@pytest.mark.parametrize("count", COUNTS)
def test_it_gives_what_the_whole_batch_does_in_its_order(count):
    given = batch(count)
    found, expected = jax.jit(mapped(turned))(*given), jax.jit(jax.vmap(turned))(*given)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("count", COUNTS)
def test_it_differentiates_as_the_whole_batch_does(count):
    members, angles = batch(count)

    def worth(by):
        return jax.jit(jax.grad(lambda x, a: jnp.sum(by(turned)(members._replace(x=x), a)[0].x ** 2), (0, 1)))

    for one, other in zip(worth(mapped)(members.x, angles), worth(jax.vmap)(members.x, angles), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
        assert np.abs(one).min() > 0


def test_seeds_may_be_mapped_over_it():
    (members, angles), seeds = batch(ENOUGH + 1), 2
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * seeds), (members, angles))
    found = jax.jit(jax.vmap(mapped(turned)))(*many)
    expected = jax.jit(jax.vmap(turned))(members, angles)
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, np.stack([other] * seeds), rtol=1e-12)


def loops(count):
    return "scan" in str(jax.make_jaxpr(mapped(turned))(*batch(count)))


def test_only_long_batches_on_a_processor_go_in_pieces(monkeypatch):
    assert loops(ENOUGH + 1)
    assert not loops(ENOUGH)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not loops(ENOUGH + 1)
