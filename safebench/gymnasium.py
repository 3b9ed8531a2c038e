"""Gymnasium: every task under every safeguard, registered when this is imported.

>>> import gymnasium, safebench.gymnasium
>>> env = gymnasium.make("safebench/pendulum-ray-mask-v1", physics="compiled")
>>> observation, info = env.reset(seed=0)
>>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
>>> float(info["cost"]), int(info["violations"])
(0.0, 0)

An id is the task's name and the safeguard's (`safebench.list_tasks()`, `safebench.list_safeguards()`), a "+"
written as "-". `gymnasium.make_vec` gives a batch that one compiled program steps.
"""

from safebench.adapters.extra import require

require("gymnasium", of="safebench.gymnasium", install="safebench[gymnasium]")

from safebench.adapters.registration import gymnasium_id, register  # noqa: E402
from safebench.adapters.single import Environment  # noqa: E402
from safebench.adapters.six_tuple import SixTuple, VectorSixTuple  # noqa: E402
from safebench.adapters.vector import VectorEnvironment  # noqa: E402

__all__ = ["Environment", "SixTuple", "VectorEnvironment", "VectorSixTuple", "gymnasium_id"]

register()
