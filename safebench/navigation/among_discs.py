"""The corridors of one body among discs; which free box it takes next, `next_box` says."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.derivatives import safe_norm
from safebench.env.picture import Discs
from safebench.env.safe_set import SafeSet
from safebench.navigation.discs import box_clearance
from safebench.navigation.free_box import Span, grown, of_discs
from safebench.navigation.geodesic import way
from safebench.navigation.next_box import REACH, next_box
from safebench.navigation.scenes import Scene, pick
from safebench.sets.certificate import Certificate


def among_discs(
    certificate: Certificate, many: Scene, velocity: tuple[int, int], guided: bool = False
) -> Corridors:
    """What moves the safe set of one body among the discs of scenes; the context of its task is a `Scene`.

    certificate: with the two coordinates of the position as translations. velocity: their rates' indices.
    guided: at rest the rule heads along the shortest way, which a learner may observe, instead of straight to
        the goal.

    Episodes begin at rest at a scene's start, in the smallest corridor there is: the start itself.

    Raises:
        ValueError: if the certificate has not two translations, or the free box of a start touches a disc.
    """
    if len(certificate.translation_limits) != 2:
        raise ValueError(
            f"a body among discs has 2 translations, its position: the certificate of {certificate.task!r} "
            f"has {len(certificate.translation_limits)}"
        )
    safe_set = safe_sets.from_certificate(certificate, moving=True)
    _check_starts(safe_set, many)

    def begin(key: PRNGKeyArray) -> Start:
        scene = pick(many, key)
        rest = jnp.asarray(certificate.origin, scene.start.dtype)
        moved = jnp.asarray(certificate.translations, scene.start.dtype) @ scene.start
        return Start(rest + moved, scene, Corridor(scene.start, scene.start))

    def move(x: Float[Array, " n"], scene: Scene, corridor: Corridor) -> Corridor:
        position = jnp.asarray(certificate.translations.T, x.dtype) @ x
        towards = way(scene.ways, position)[1] if guided else scene.goal - position
        length = safe_norm(towards)
        towards = towards / jnp.where(length > 0, length, 1.0)
        return next_corridor(safe_set, scene.discs, x, x[jnp.array(velocity)], towards, corridor)

    return Corridors(
        begin=begin,
        move=move,
        clearance=lambda scene, corridor: corridor_clearance(safe_set, scene.discs, corridor),
    )


def _check_starts(safe_set: SafeSet, many: Scene) -> None:
    clear = jax.vmap(
        lambda scene: corridor_clearance(safe_set, scene.discs, Corridor(scene.start, scene.start))
    )
    least = float(jnp.min(jax.jit(clear)(jax.tree.map(jnp.asarray, many))))
    reach = (abs(many.start) > safe_set.translation_limits).any()
    if least < 0 or reach:
        raise ValueError(
            f"the free box of a start overlaps a disc by {-least:.3g} m: widen the scenes' gap"
            if least < 0
            else "a start lies beyond the certificate's translation limits: widen the scenes' gap"
        )


def corridor_clearance(safe_set: SafeSet, discs: Discs, corridor: Corridor) -> Scalar:
    """How far the free box of a corridor stays clear of all discs, in metres; rounded down."""
    return box_clearance(discs, *safe_sets.free_box(safe_set, corridor))


def next_corridor(
    safe_set: SafeSet,
    discs: Discs,
    x: Float[Array, " n"],
    velocity: Float[Array, " 2"],
    towards: Float[Array, " 2"],
    corridor: Corridor,
) -> Corridor:
    """The corridor that a body at x takes next, among discs: `next_box` with free boxes that avoid them."""

    def grow(span: Span, bounds: Span) -> Span:
        return grown(span, of_discs(discs, bounds), bounds, REACH)

    def clearance(each: Corridor) -> Scalar:
        return corridor_clearance(safe_set, discs, each)

    return next_box(safe_set, x, velocity, towards, corridor, grow, clearance)
