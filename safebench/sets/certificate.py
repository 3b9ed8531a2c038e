"""A certificate: a safe set with everything needed to prove it again, and its file."""

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from safebench import atomic
from safebench.sets.archive import Damaged, read, unpack
from safebench.sets.polytope import Box, Polytope
from safebench.sets.rounding import LARGEST, largest

Array = np.ndarray
FORMAT = 2
_ARRAYS = (
    "origin normals offsets base_normals base_offsets gain feedforward translations translation_limits "
    "magnitude constraints_lower constraints_upper disturbance_lower disturbance_upper"
).split()
_HALF_SPACES = ("half_space_normals", "half_space_offsets")  # in the files of certificates that have any
_HEADER = "format digest task fingerprint contraction volume method supersedes".split()

STATED_BY_THE_BOX: Any = None
NO_HALF_SPACES: Any = None


@dataclass(frozen=True)
class Certificate:
    """The set S = {x : normals @ (x - origin) <= offsets} and its proof data. Arrays are float64.

    The proof is about the base set S0 = {y : base_normals @ y <= base_offsets} and the affine law
    a = gain @ y + feedforward. Without translations S0 = S and y = x - origin. With translations
    (k columns of `translations`, limits L), every x in S has a governor reference r, |r| <= L, with
    y = x - origin - translations @ r in S0: the law then steers to r.

    constraints: the box that S must lie in. disturbance: the box W.
    contraction: lambda < 1; from S the law reaches origin + lambda (S - origin), leaving room for rounding.
    fingerprint: hash of the dynamics it was proven for (`Dynamics.fingerprint`).
    volume: share of X's volume in S with its 95 % interval (value, low, high), by Monte Carlo.
    method: how it was made, in words and numbers.
    magnitude: per coordinate, what rounding of one step is measured against (see safebench.sets.rounding);
        the largest state of X where it is not stated.
    supersedes: digests of earlier certificates of the very same set and law, which results may name.
    half_space_*: further constraints {x : half_space_normals @ x <= half_space_offsets} that S must lie in.
    """

    task: str
    fingerprint: str
    origin: Float[Array, " n"]
    normals: Float[Array, "rows n"]
    offsets: Float[Array, " rows"]
    base_normals: Float[Array, "base n"]
    base_offsets: Float[Array, " base"]
    gain: Float[Array, "m n"]
    feedforward: Float[Array, " m"]
    translations: Float[Array, "n k"]
    translation_limits: Float[Array, " k"]
    constraints: Box
    disturbance: Box
    contraction: float
    volume: tuple[float, float, float]
    method: str
    magnitude: Float[Array, " n"] = STATED_BY_THE_BOX
    supersedes: tuple[str, ...] = ()
    half_space_normals: Float[Array, "further n"] = NO_HALF_SPACES
    half_space_offsets: Float[Array, " further"] = NO_HALF_SPACES

    def __post_init__(self):
        derived = {
            "magnitude": largest(self.constraints),
            "half_space_normals": np.zeros((0, len(self.origin))),
            "half_space_offsets": np.zeros(0),
        }
        for name, value in derived.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def polytope(self) -> Polytope:
        """S - origin."""
        return Polytope(self.normals, self.offsets)

    @property
    def base(self) -> Polytope:
        """S0."""
        return Polytope(self.base_normals, self.base_offsets)

    @property
    def half_spaces(self) -> Polytope:
        """The further constraints, in absolute coordinates."""
        return Polytope(self.half_space_normals, self.half_space_offsets)


def save(certificate: Certificate, path: str | os.PathLike) -> None:
    """Write a certificate as npz with a JSON header; the file appears whole or not at all."""
    atomic.write(path, _encode(certificate))


def load(path: str | os.PathLike, fingerprint: str | None = None) -> Certificate:
    """Read a certificate; nothing in the file is ever executed.

    fingerprint: of the dynamics it will be used with; None only to inspect a file.

    Raises:
        FileNotFoundError: if there is no such file. OSError: if it is a folder or cannot be read.
        ValueError: if the file is damaged, of an unknown format version, or proven for other dynamics, or if
            its numbers cannot be a certificate's (`defects`).
    """
    path = Path(path)
    content = read(path, "certificate")
    try:
        certificate = _opened(content)
    except Damaged as error:
        raise ValueError(f"{path} is not a certificate or is damaged: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if fingerprint is not None:
        again = f"`safebench certify {certificate.task} --synthesise`"
        check_fingerprint(certificate, fingerprint, str(path), again)
    return certificate


def check_fingerprint(certificate: Certificate, fingerprint: str, name: str, again: str) -> None:
    """Raise ValueError if the certificate called `name` was proven for other dynamics.

    again: the command that finds one for these.
    """
    if certificate.fingerprint != fingerprint:
        raise ValueError(
            f"{name} was proven for other dynamics (fingerprint {certificate.fingerprint[:12]}, the model "
            f"has {fingerprint[:12]}): synthesise it again with {again}"
        )


def check_readable(path: str | os.PathLike) -> None:
    """Raise OSError, in our words, if there is no such file or it cannot be read."""
    read(Path(path), "certificate")


def _opened(content: bytes) -> Certificate:
    header, arrays = unpack(content, (*_ARRAYS, *_HALF_SPACES))
    lacking = [name for name in _HEADER if name not in header]
    if header.get("format", FORMAT) != FORMAT:
        version = header["format"]
        raise ValueError(f"has certificate format {version!r}; this version reads format {FORMAT}")
    if lacking:
        raise Damaged(f"its header lacks {', '.join(lacking)}")
    some = any(name in arrays for name in _HALF_SPACES)
    missing = [name for name in (*_ARRAYS, *(_HALF_SPACES if some else ())) if name not in arrays]
    if missing:
        raise Damaged(f"it lacks {', '.join(missing)}")
    wrong = [name for name, array in arrays.items() if array.dtype != np.float64]
    if wrong:
        raise Damaged(f"{', '.join(wrong)} must be float64")
    try:
        certificate = _decode(header, arrays)
        differs = digest(certificate) != header["digest"]
    except (ValueError, TypeError, OverflowError, AttributeError):
        raise Damaged("its header has entries of the wrong kind") from None
    if differs:
        raise Damaged("its contents do not match its digest")
    try:
        check_shapes(certificate)
    except TypeError:
        raise Damaged("one of its arrays is a single number") from None
    except ValueError as error:
        raise Damaged(str(error)) from None
    problems = defects(certificate)
    if problems:
        raise Damaged("; ".join(problems))
    return certificate


def digest(certificate: Certificate) -> str:
    """SHA-256 of the contents, recorded in every result; independent of file layout."""
    hashed = hashlib.sha256()
    for name, array in _arrays(certificate).items():
        hashed.update(f"{name}{array.shape}".encode())
        hashed.update(array.tobytes())
    hashed.update(json.dumps(_header(certificate), sort_keys=True).encode())
    return hashed.hexdigest()


def known_digests(certificate: Certificate) -> frozenset[str]:
    """Its digest and those of the certificates that it supersedes: the same set, law and boxes."""
    return frozenset({digest(certificate), *certificate.supersedes})


def _encode(certificate: Certificate) -> bytes:
    header = _header(certificate) | {"digest": digest(certificate)}
    buffer = io.BytesIO()
    entries: dict[str, Any] = {"header": np.array(json.dumps(header)), **_arrays(certificate)}
    np.savez_compressed(buffer, **entries)
    return buffer.getvalue()


def _header(certificate: Certificate) -> dict:
    return {
        "format": FORMAT,
        "task": certificate.task,
        "fingerprint": certificate.fingerprint,
        "contraction": float(certificate.contraction),
        "volume": [float(value) for value in certificate.volume],
        "method": certificate.method,
        "supersedes": list(certificate.supersedes),
    }


def _arrays(certificate: Certificate) -> dict[str, Array]:
    boxes = {
        f"{name}_{side}": getattr(getattr(certificate, name), side)
        for name in ("constraints", "disturbance")
        for side in ("lower", "upper")
    }
    names = _ARRAYS + (list(_HALF_SPACES) if any(map(np.size, certificate.half_spaces)) else [])
    plain = {name: getattr(certificate, name) for name in names if name not in boxes}
    return {name: np.ascontiguousarray((plain | boxes)[name], "<f8") for name in names}


def _decode(header: dict, arrays: dict[str, Array]) -> Certificate:
    arrays = dict(arrays)
    boxes = {
        name: Box(arrays.pop(f"{name}_lower"), arrays.pop(f"{name}_upper"))
        for name in ("constraints", "disturbance")
    }
    parts: dict[str, Any] = {**boxes, **arrays}
    value, low, high = header["volume"]
    return Certificate(
        task=str(header["task"]),
        fingerprint=str(header["fingerprint"]),
        contraction=float(header["contraction"]),
        volume=(float(value), float(low), float(high)),
        method=str(header["method"]),
        supersedes=tuple(map(str, header["supersedes"])),
        **parts,
    )


def check_shapes(certificate: Certificate) -> None:
    """Raise ValueError if the arrays do not fit together."""
    n, m, k = len(certificate.origin), len(certificate.feedforward), len(certificate.translation_limits)
    expected = {
        "origin": (n,),
        "normals": (len(certificate.offsets), n),
        "offsets": (len(certificate.offsets),),
        "base_normals": (len(certificate.base_offsets), n),
        "base_offsets": (len(certificate.base_offsets),),
        "gain": (m, n),
        "feedforward": (m,),
        "translations": (n, k),
        "translation_limits": (k,),
        "magnitude": (n,),
        "constraints_lower": (n,),
        "constraints_upper": (n,),
        "disturbance_lower": certificate.disturbance.upper.shape,
    }
    arrays = _arrays(certificate)
    if _HALF_SPACES[0] in arrays:
        further = len(certificate.half_space_offsets)
        expected |= {"half_space_normals": (further, n), "half_space_offsets": (further,)}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}")


def defects(certificate: Certificate) -> list[str]:
    """What is wrong with the numbers themselves, whatever the dynamics; empty if nothing is."""
    found = []
    for name, array in _arrays(certificate).items():
        wrong = array[~(np.abs(array) <= LARGEST)]
        if wrong.size:
            found.append(f"{name} has the entry {wrong[0]}: all must be finite and at most {LARGEST:g}")
    if found:
        return found
    for name in ("offsets", "base_offsets"):
        offsets = getattr(certificate, name)
        if offsets.size and not offsets.min() >= 1 / LARGEST:
            found.append(f"{name} has the entry {offsets.min()}: the origin is not inside the set")
    limits = certificate.translation_limits
    if limits.size and not limits.min() >= 0:
        found.append(
            f"translation_limits has the entry {limits.min()}: a reference's range is [-L, L], L >= 0"
        )
    if certificate.magnitude.size and not certificate.magnitude.min() >= 0:
        found.append(f"magnitude has the entry {certificate.magnitude.min()}, which must not be negative")
    if not 0 <= certificate.contraction < 1:
        found.append(f"contraction is {certificate.contraction}: the theorem needs 0 <= contraction < 1")
    if not all(0 <= share <= 1 for share in certificate.volume):
        found.append(f"volume is {certificate.volume}: shares lie in [0, 1]")
    for name in ("constraints", "disturbance"):
        low, high = getattr(certificate, name)
        if (low > high).any():
            found.append(f"{name} is empty: lower {low} exceeds upper {high}")
    return found
