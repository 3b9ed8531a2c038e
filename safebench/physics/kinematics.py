"""Where a point of a mechanism is: forward kinematics compiled from an MJCF, in JAX."""

from collections.abc import Callable

import jax.numpy as jnp
import mujoco
from jaxtyping import Array, Float

from safebench.physics.expression import Graph, program, run
from safebench.physics.joint_tree import links_of
from safebench.physics.recursions import floats, in_world, tree_of


def site_position(model: mujoco.MjModel, site: str) -> Callable[[Float[Array, " q"]], Float[Array, " 3"]]:
    """q -> the position [m] of a site of the model, in the world.

    Raises:
        ValueError: if the model has no such site, or it moves with no joint.
    """
    names = [model.site(k).name for k in range(model.nsite)]
    if site not in names:
        raise ValueError(f"the model has no site {site!r}; its sites: {', '.join(names) or 'none'}")
    index = names.index(site)
    links, poses = links_of(model)
    pose = poses[model.site_bodyid[index]]
    if pose.link < 0:
        raise ValueError(f"site {site!r} moves with no joint")
    graph = Graph()
    q = [graph.input() for _ in range(model.nq)]
    tree = tree_of(links, [x - float(zero) for x, zero in zip(q, model.qpos0, strict=True)])
    point = floats(pose.position + pose.rotation @ model.site_pos[index])
    code = program(graph, in_world(tree, pose.link, point))

    def position(q: Float[Array, " q"]) -> Float[Array, " 3"]:
        ends = run(code, list(q), jnp.sin, jnp.cos)
        return jnp.stack([jnp.asarray(end, q.dtype) for end in ends])

    return position
