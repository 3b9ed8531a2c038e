"""What the page of a task says of its safe set: what its certificate holds, and what was proven of it."""

import math

import mujoco
import numpy as np

from safebench import __version__
from safebench.commands.certify import corridors_of
from safebench.env.task import Task
from safebench.sets import certificate as certificates
from safebench.sets.proof import Proof
from site_pages.text import number, prose, table


def certificate(name: str, task: Task) -> str:
    """What is read from the certificate."""
    found = task.certificate
    share, low, high = (100 * value for value in found.volume)
    rows = [
        ("states it speaks of", f"{len(found.origin)} of {len(task.state_names)}"),
        ("rows", f"{len(found.offsets)}"),
        ("rows of the base set", f"{len(found.base_offsets)}"),
        ("share of the constraint box", f"{share:.1f} %, 95 % interval [{low:.1f}, {high:.1f}], Monte Carlo"),
        *_largest_share(task),
        ("contraction claimed", f"{found.contraction:g}"),
        ("translated states, reach", _translations(task)),
        ("how it was found", prose(found.method)),
        ("dynamics it is bound to", f"`{found.fingerprint[:16]}`"),
    ]
    moves = corridors_of(task)
    moved = (
        f"\nThe set moves with the episode; it holds for every corridor: {prose(moves)}.\n" if moves else ""
    )
    file = f"tasks/certificates/{name.replace('-', '_')}.npz"
    digest = f"\nSHA-256, as results record it: `{certificates.digest(found)}`\n"
    return f"Read from the certificate, `{file}`:\n\n{table(('', ''), rows)}{digest}{moved}"


def _largest_share(task: Task) -> list[tuple[str, str]]:
    if task.half_spaces is None:
        return []
    return [("what the half-spaces take", "some of the box, too: the share can never be 100 %")]


def _translations(task: Task) -> str:
    found = task.certificate
    moved = np.argmax(found.translations, axis=0) if found.translation_limits.size else []
    names = [task.state_names[task.constrained[index]] for index in moved]
    reaches = zip(names, found.translation_limits, strict=True)
    return ", ".join(f"{state} ±{number(limit)}" for state, limit in reaches) or "none"


def proof(name: str, task: Task, checked: Proof) -> str:
    """What was proven just now, and how narrowly."""
    mechanical = task.dynamics.model is not None
    dynamics = "the dynamics compiled from its model" if mechanical else "its linear dynamics"
    slacks = [
        (f"{condition}", "met exactly" if math.isinf(slack) else f"{slack:.2g}")
        for condition, slack in checked.slacks.items()
    ]
    again = "proves it again on your machine" + (", and asks MJX as well" if mechanical else "")
    return (
        f"**Proven while this page was built**, by safebench {__version__}, for {dynamics}: contraction "
        f"{checked.contraction:.6f}, float32 needs {100 * checked.float32_share:.0f} % of the margin for it. "
        f"`safebench certify {name}` {again}. The slack of each condition, relative to its bound:\n\n"
        f"{table(('condition', 'slack'), slacks)}{_forces(task, checked)}"
    )


def _forces(task: Task, checked: Proof) -> str:
    """What the joints that are commanded by acceleration need at most."""
    model, rows = task.dynamics.model, []
    if model is None or not checked.forces:
        return ""
    for force, actuator in zip(checked.forces, task.dynamics.commanded, strict=True):
        hinge = model.jnt_type[model.actuator_trnid[actuator, 0]] == mujoco.mjtJoint.mjJNT_HINGE
        limits = (number(each) if each < np.inf else "none" for each in (force.largest, force.limit))
        rows.append((f"`{force.name}`", *limits, "N m" if hinge else "N"))
    free = task.dynamics.unconstrained
    others = [f"abs {task.state_names[i]} \\<= {reach:g}" for i, reach in free.items()]
    condition = f", as long as {', '.join(others)}, which is not proven" if others else ""
    heads = ("joint", "proven at most", "limit", "unit")
    return f"\nForces over all states of the box and all actions{condition}:\n\n{table(heads, rows)}"
