"""Certificate files, and a proof that accepts what is true and refuses everything that was tampered with."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from certified_systems import double_integrator

from safebench import registry
from safebench.sets import certificate as certificates
from safebench.sets import proof
from safebench.sets.certificate import digest, load, save
from safebench.sets.polytope import Box
from safebench.sets.search import Search
from safebench.sets.synthesis import synthesise

TASKS = ("pendulum", "cartpole", "quadrotor", "energy")
SHARES = {"pendulum": 0.70, "cartpole": 0.22, "quadrotor": 0.75, "energy": 0.88}


@pytest.fixture(scope="module")
def small():
    """(certificate, inclusion, constraints, disturbance) of a double integrator."""
    inclusion, constraints, disturbance = double_integrator()
    search = Search(candidates=24, refinements=10, samples=20_000)
    made = synthesise(inclusion, constraints, disturbance, "double", "f" * 64, search=search)
    return made, inclusion, constraints, disturbance


@pytest.fixture(scope="module")
def shipped():
    """task name -> (task, inclusion over its boxes)."""
    made = {}
    for name in TASKS:
        task = registry.load("task", name).make()
        made[name] = task, task.dynamics.include(task.constraints, task.disturbance)
    return made


# ------------------------------------------------------------------------------------------- files


def test_round_trip(small, tmp_path):
    made = small[0]
    save(made, tmp_path / "folder" / "c.npz")
    again = load(tmp_path / "folder" / "c.npz", made.fingerprint)
    assert digest(again) == digest(made)
    assert again.volume == made.volume
    np.testing.assert_array_equal(again.normals, made.normals)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["c.npz"]


def test_digest_sees_every_field(small):
    made = small[0]
    seen = {digest(made)}
    for name in ("origin", "normals", "offsets", "base_normals", "base_offsets", "gain", "feedforward"):
        changed = getattr(made, name).copy()
        changed.flat[0] = np.nextafter(changed.flat[0], np.inf)
        seen.add(digest(replace(made, **{name: changed})))
    seen.add(digest(replace(made, disturbance=Box(made.disturbance.lower, 1.2 * made.disturbance.upper))))
    seen |= {
        digest(replace(made, **change))
        for change in ({"task": "x"}, {"contraction": 0.5}, {"method": ""}, {"supersedes": ("0" * 64,)})
    }
    seen.add(digest(replace(made, magnitude=2 * made.magnitude)))
    assert len(seen) == 14


@pytest.mark.parametrize("name", TASKS)
def test_results_may_name_a_certificate_of_the_same_set_from_before(shipped, name):
    made = shipped[name][0].certificate
    known = certificates.known_digests(made)
    assert digest(made) in known
    assert known == {digest(made), *made.supersedes}
    assert all(len(old) == 64 for old in made.supersedes)
    assert "0" * 64 not in known


def test_another_fingerprint_is_refused(small, tmp_path):
    save(small[0], tmp_path / "c.npz")
    with pytest.raises(ValueError, match="proven for other dynamics"):
        load(tmp_path / "c.npz", "0" * 64)


def test_every_damaged_byte_range_is_refused(small, tmp_path):
    path = tmp_path / "c.npz"
    save(small[0], path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(content), 150):
        broken = bytearray(content)
        broken[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(broken))
        try:
            loaded = load(path, small[0].fingerprint)
        except ValueError:
            refused += 1
        else:  # a byte of the archive's own bookkeeping (dates, attributes): the contents are untouched
            assert digest(loaded) == digest(small[0])
    assert refused > 100
    for length in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged"):
            load(path)


def test_an_edited_set_or_version_is_refused(small, tmp_path):
    path = tmp_path / "c.npz"
    save(small[0], path)
    with np.load(path) as archive:
        arrays = dict(archive)
    edited = arrays | {"offsets": arrays["offsets"] * 1.02}
    np.savez(path, **edited)
    with pytest.raises(ValueError, match="digest"):
        load(path)
    header = json.loads(str(arrays["header"])) | {"format": 99}
    np.savez(path, **arrays | {"header": np.array(json.dumps(header))})
    with pytest.raises(ValueError, match="format 99"):
        load(path)


def test_pickles_are_never_executed(small, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([Bomb()], dtype=object))
    (tmp_path / "c.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path / "c.npz")
    assert not (tmp_path / "exploded").exists()


# ------------------------------------------------------------------------------------------- proofs


@pytest.mark.parametrize("name", TASKS)
def test_shipped_sets_are_proven(shipped, name):
    task, inclusion = shipped[name]
    checked = proof.verify(
        task.certificate, inclusion, task.constraints, task.disturbance, task.dynamics.fingerprint
    )
    assert checked.passed, checked.failures
    assert checked.float32_share < 1
    assert checked.contraction <= task.certificate.contraction < 1
    assert task.certificate.volume[1] >= SHARES[name]


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "energy"])
@pytest.mark.parametrize("change", ["set", "law", "disturbance"])
def test_false_claims_are_refused(shipped, name, change):
    task, inclusion = shipped[name]
    made, factor = task.certificate, 1.2
    if change == "set":
        offsets = 1.02 * made.offsets
        made = replace(made, offsets=offsets, base_offsets=offsets)
    elif change == "law":
        # The household's set needs little feedback: its law may be 0.7 times as strong, and is then valid.
        made = replace(made, gain=(0.1 if name == "energy" else 0.7) * made.gain)
    else:
        centre, radius = task.disturbance.centre, task.disturbance.radius
        louder = Box(centre - factor * radius, centre + factor * radius)
        inclusion = task.dynamics.include(task.constraints, louder)
    checked = proof.verify(made, inclusion)
    assert not checked.passed
    assert min(checked.slacks.values()) < 0


@pytest.fixture(scope="module")
def corridor():
    """(certificate, inclusion, louder inclusion) of a double integrator that may roam over 5 m."""
    inclusion, constraints, disturbance = double_integrator(room=5.0)
    search = Search(candidates=12, refinements=0, samples=5000, share=(0.2,))
    made = synthesise(inclusion, constraints, disturbance, "corridor", "f", translations=(0,), search=search)
    return made, inclusion, double_integrator(room=5.0, loudness=1.2)[0]


def tampered(made, change):
    if change == "set":
        return replace(made, offsets=1.02 * made.offsets)
    if change == "row":  # one Fourier-Motzkin row forgotten
        index = int(np.argmax(np.count_nonzero(made.normals, axis=1)))
        fewer = {"normals": np.delete(made.normals, index, 0), "offsets": np.delete(made.offsets, index)}
        return replace(made, **fewer)
    if change == "law":
        return replace(made, gain=0.7 * made.gain)
    if change == "limit":  # references that the projection does not have
        return replace(made, translation_limits=0.9 * made.translation_limits)
    return replace(made, base_offsets=0.98 * made.base_offsets)


@pytest.mark.parametrize("change", ["set", "row", "law", "limit", "base", "disturbance"])
def test_false_claims_about_a_projected_set_are_refused(corridor, change):
    made, inclusion, louder = corridor
    assert proof.verify(made, inclusion).passed
    checked = (
        proof.verify(made, louder)
        if change == "disturbance"
        else proof.verify(tampered(made, change), inclusion)
    )
    assert not checked.passed
    assert min(checked.slacks.values()) < 0


def test_a_forgotten_row_of_the_quadrotor_is_noticed(shipped):
    task, inclusion = shipped["quadrotor"]
    checked = proof.verify(tampered(task.certificate, "row"), inclusion)
    assert checked.slacks["projection"] < 0
    assert not checked.passed


def test_mismatched_problems_are_named(small):
    made, inclusion, constraints, disturbance = small
    assert proof.verify(made, inclusion, constraints, disturbance, made.fingerprint).passed
    wider = Box(1.1 * constraints.lower, 1.1 * constraints.upper)
    for arguments, word in (
        ((constraints, disturbance, "0" * 64), "fingerprint"),
        ((wider, disturbance, made.fingerprint), "constraints"),
        ((constraints, Box(1.2 * disturbance.lower, disturbance.upper), made.fingerprint), "disturbance"),
    ):
        checked = proof.verify(made, inclusion, *arguments)
        assert not checked.passed
        assert word in checked.failures[0]
    moved = inclusion._replace(origin=inclusion.origin + 0.01)
    assert "origin" in proof.verify(made, moved).failures[0]


def test_unbounded_and_broken_sets_are_refused(small):
    made, inclusion, *_ = small
    half = made.normals[:, 1] >= 0  # open towards low speeds
    opened = {"normals": made.normals[half], "offsets": made.offsets[half]}
    base = {f"base_{name}": array for name, array in opened.items()}
    assert not proof.verify(replace(made, **opened, **base), inclusion).passed
    nothing = {"normals": made.normals[:0], "offsets": made.offsets[:0]}
    with pytest.raises(ValueError, match="no rows"):
        proof.verify(replace(made, **nothing), inclusion)
    for value in (np.nan, np.inf, 0.0, -1.0):
        offsets = made.offsets.copy()
        offsets[0] = value
        checked = proof.verify(replace(made, offsets=offsets, base_offsets=offsets), inclusion)
        assert not checked.passed
    narrow = replace(made, contraction=0.9)
    assert any("contraction" in failure for failure in proof.verify(narrow, inclusion).failures)


def test_float32_margin_is_demanded(small):
    """A set whose contraction leaves less than float32 rounding needs is not accepted."""
    made, inclusion, *_ = small
    bounds = proof.invariance_bounds(made, inclusion)
    assert (2 * proof.float32_allowance(made) < made.offsets - bounds).all()

    def louder(directions):
        gap = (made.offsets - bounds)[:1] if len(directions) != len(bounds) else made.offsets - bounds
        return inclusion.support(directions) + 0.999 * gap

    checked = proof.verify(made, inclusion._replace(support=louder))
    assert any(failure.startswith("float32") for failure in checked.failures)


def test_names_of_all_fields_are_saved():
    """A field added to the certificate must also be written to its file."""
    header = {"task", "fingerprint", "contraction", "volume", "method", "supersedes"}
    fields = set(certificates.Certificate.__dataclass_fields__)
    every = (*certificates._ARRAYS, *certificates._HALF_SPACES)
    arrays = {name.removesuffix("_lower").removesuffix("_upper") for name in every}
    assert fields == header | arrays
