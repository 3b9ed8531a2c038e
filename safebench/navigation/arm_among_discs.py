"""The corridors of an arm among discs: boxes of its joint space that are certified to be free."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.safe_set import SafeSet
from safebench.navigation.arm_scenes import ArmScene, ArmScenes, joint_way, pick_arm_scene
from safebench.navigation.free_box import Span
from safebench.navigation.joint_space import blocked, grown
from safebench.navigation.next_box import REACH, next_box
from safebench.sets.certificate import Certificate


def arm_among_discs(certificate: Certificate, many: ArmScenes) -> Corridors:
    """What moves the safe set of a two-link arm among discs; the context of its task is an `ArmScene`.

    certificate: with both joint angles as translations, whose speeds follow them in the state.

    Episodes begin at rest at a scene's start, in the smallest corridor there is: the start itself.

    Raises:
        ValueError: if the translations are not the angles, or reach farther than the scenes leave room for.
    """
    safe_set = safe_sets.from_certificate(certificate, moving=True)
    _check(safe_set, certificate.task, many)

    def begin(key: PRNGKeyArray) -> Start:
        scene = pick_arm_scene(many, key)
        rest = jnp.concatenate([scene.start, jnp.zeros_like(scene.start)])
        return Start(rest, scene, Corridor(scene.start, scene.start))

    def clearance(scene: ArmScene, corridor: Corridor) -> Scalar:
        return joint_clearance(safe_set, many, scene, corridor)

    def move(x: Float[Array, " 4"], scene: ArmScene, corridor: Corridor) -> Corridor:
        _, towards = joint_way(many, scene, x[:2])

        def grow(span: Span, bounds: Span) -> Span:
            return grown(many.arena.grid, many.image, scene.number, span, bounds, REACH)

        return next_box(safe_set, x, x[2:], towards, corridor, grow, lambda each: clearance(scene, each))

    return Corridors(begin=begin, move=move, clearance=clearance)


def joint_clearance(safe_set: SafeSet, many: ArmScenes, scene: ArmScene, corridor: Corridor) -> Scalar:
    """0 where the free box of a corridor is certified, else minus how many cells it touches that are not."""
    return -blocked(many.arena.grid, many.image, scene.number, Span(*safe_sets.free_box(safe_set, corridor)))


def _check(safe_set: SafeSet, task: str, many: ArmScenes) -> None:
    if safe_set.translations.shape != (4, 2) or (safe_set.translations != np.eye(4)[:, :2]).any():
        raise ValueError(f"the translations of the certificate of {task!r} are not the two joint angles")
    arena, limits = many.arena, safe_set.translation_limits
    reach = max(*safe_set.free_high, *-safe_set.free_low)
    if reach > arena.reach:
        raise ValueError(
            f"the safe set reaches {reach:.3g} rad around a reference, the arena has {arena.reach}"
        )
    if (np.array(arena.references) > limits).any():
        raise ValueError(f"the arena's references {arena.references} exceed the certificate's {limits}")
