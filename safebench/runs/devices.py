"""Seeds spread over the devices of one machine."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

AXIS = "seeds"


def used(seeds: int) -> int:
    """How many devices share the seeds evenly: the largest divisor of `seeds` not above their number."""
    most = min(seeds, jax.local_device_count())
    return next(count for count in range(most, 0, -1) if seeds % count == 0)


def over_seeds(one: Callable[[Any], Any], seeds: int) -> Callable[[Any], Any]:
    """`jax.vmap(one)`, its leading axis (the seeds) split over `used(seeds)` devices.

    Every device runs its own seeds and none waits for another: nothing is exchanged, so a seed computes
    what it computes on one device.
    """
    count = used(seeds)
    if count == 1:
        return jax.vmap(one)
    mesh = Mesh(np.array(jax.local_devices()[:count]), (AXIS,))
    split = PartitionSpec(AXIS)
    # The check of what varies between devices refuses scans that start from constants; here all varies.
    return jax.shard_map(jax.vmap(one), mesh=mesh, in_specs=split, out_specs=split, check_vma=False)
