"""MuJoCo Playground: every task under every safeguard, in its registry.

    import safebench.playground
    from mujoco_playground import registry

    safebench.playground.register()
    env = registry.load("safebench-quadrotor-ray-mask")

A name is "safebench-", the task's name and the safeguard's, a "+" written as "-". Playground is not among
safebench's extras: pip install playground.
"""

from safebench.adapters.extra import require
from safebench.adapters.identifiers import every, slug


def playground_name(task: str, safeguard: str) -> str:
    """What Playground's registry calls a task under a safeguard."""
    return f"safebench-{slug(task, safeguard)}"


def register() -> None:
    """Register every task with every preset, in the suite `dm_control_suite`, the one that takes new names.

    No task is made before it is asked for. A second call changes nothing.

    Raises:
        ModuleNotFoundError: without Playground, saying how to get it.
    """
    require("mujoco_playground", of="safebench.playground", install="playground")
    from safebench.adapters.playground import register_in_playground

    for task, safeguard in every():
        register_in_playground(playground_name(task, safeguard), task, safeguard)
