"""What the functions of a task give that speak of its scene: obstacles, goals, corridors and pictures.

The proof speaks of the set of every corridor; that a corridor's free boxes are clear is the task's word. So
of a task whose safe set moves the starts are looked at too: what the promise of safety begins with.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.env.corridor import Corridor, Corridors
from safebench.env.picture import Picture
from safebench.env.task import Task
from safebench.plugin import speaking
from safebench.runs.traced import array, shapes


def check_shapes(task: Task, x: Any, context: Any, corridor: Any, file: str) -> None:
    """Of `excess`, `reached`, `corridors` and `picture`, where the task has them.

    x, context, corridor: what they are given, as shapes. file: what messages call the task.

    Raises:
        ValueError: "FILE: FUNCTION() ...", with what was expected.
    """
    for name, kind in (("excess", np.floating), ("reached", np.bool_)):
        function = getattr(task, name)
        if function is not None:
            found = array(file, name, function, x, context, kind=kind)
            if len(found.shape) != 1 or found.shape[0] < 1:
                raise ValueError(
                    f"{file}: {name}() gives shape {found.shape}: expected one axis, of at least one entry"
                )
    if task.corridors is not None:
        with speaking(file, "corridors.move"):
            moved = jax.eval_shape(task.corridors.move, x, context, corridor)
        if not isinstance(moved, Corridor) or shapes(moved) != shapes(corridor):
            given = shapes(moved) if isinstance(moved, Corridor) else f"a {type(moved).__name__}"
            raise ValueError(
                f"{file}: corridors.move() gives {given}: expected what corridors.begin() gives, "
                f"{shapes(corridor)}"
            )
        clear = array(file, "corridors.clearance", task.corridors.clearance, context, corridor)
        if clear.shape != ():
            raise ValueError(
                f"{file}: corridors.clearance() gives shape {clear.shape}: expected a scalar, shape ()"
            )
    if task.picture is not None:
        with speaking(file, "picture"):
            shown = jax.eval_shape(task.picture, x, context, corridor)
        if not _is_picture(shown):
            given = shapes(shown) if isinstance(shown, Picture) else f"a {type(shown).__name__}"
            raise ValueError(
                f"{file}: picture() gives {given}: expected a Picture of discs (centres in rows of 2, as "
                "many radii), goals and corners in rows of 2, links (two ends each, as many radii) and a "
                "JointMap of cells with two corners"
            )


def _is_picture(shown: Any) -> bool:
    if not isinstance(shown, Picture):
        return False
    rows = [shown.obstacles.centre, shown.bodies.centre, shown.goals, shown.lower, shown.upper]
    if not all(len(each.shape) == 2 and each.shape[1] == 2 for each in rows):
        return False
    discs = all(each.radius.shape == each.centre.shape[:1] for each in (shown.obstacles, shown.bodies))
    links = shown.links.ends.shape == (*shown.links.radius.shape, 2, 2)
    joints = shown.joints
    links &= joints.taken.ndim == 2 and joints.lower.shape == joints.upper.shape == (2,)
    links &= len(joints.goals.shape) == 2 and joints.goals.shape[1] == 2
    return discs and links and shown.lower.shape == shown.upper.shape


def check_starts(task: Task, corridors: Corridors, count: int, file: str) -> None:
    """Episodes begin in a corridor that the proof covers, in its set, with free boxes that are clear.

    corridors: the task's. count: of starts to look at.

    Raises:
        ValueError: "FILE: FUNCTION() ...", with a start where it does not hold and what was expected.
    """

    @jax.jit
    @jax.vmap
    def looked_at(key: Array) -> tuple[Array, ...]:
        x, context, corridor = tasks.start(task, key)
        clear, later = (corridors.clearance(each, corridor) for each in (context, task.advance(context)))
        covered = safe_set.may_be(task.safe_set, corridor)
        inside = safe_set.contains(task.safe_set, x, corridor)
        moved = jnp.stack(corridors.move(x, context, corridor))
        return x, jnp.stack(corridor), covered, inside, clear, later, moved

    keys = jax.random.split(jax.random.key(0), count)
    x, corridor, covered, inside, clear, later, moved = map(np.asarray, looked_at(keys))
    limits = _text(task.safe_set.translation_limits)
    finite = np.isfinite(moved).all(axis=(1, 2))
    for good, function, given, expected in (
        (covered, "begin", corridor, f"low <= high within the certificate's translation limits {limits}"),
        (inside, "begin", x, "a state in the set of its corridor"),
        (clear >= 0, "clearance", clear, "at least 0 where an episode begins"),
        (clear == later, "clearance", later, "after advance() the same as before: only the bodies move"),
        (finite, "move", moved, "finite numbers"),
    ):
        if not good.all():
            i = int(np.argmin(good))
            raise ValueError(
                f"{file}: corridors.{function}() gives {_text(given[i])} at the start {_text(x[i])} with the "
                f"corridor {_text(corridor[i])}: expected {expected}"
            )


def _text(values: np.ndarray) -> str:
    return " ".join(np.array2string(values, precision=6, threshold=40).split())
