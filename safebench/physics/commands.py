"""Which actuators of a model are given joint accelerations instead of forces.

A commanded actuator's control is the acceleration of its joint; the force that gives it is the model's own
inverse dynamics at the start of the step (computed torque: Siciliano et al., Robotics, 2009, section 8.5.2;
where other joints move freely, partial feedback linearisation: Spong, 1994). Semi-implicit Euler then moves a
commanded joint by v+ = v + dt (acceleration + disturbance), q+ = q + dt v+, up to rounding, at every state.
"""

from collections.abc import Sequence
from typing import Literal

import mujoco

Commands = Literal["force", "acceleration"] | Sequence[str]
"""What actions are: forces of the actuators, accelerations of their joints, or accelerations of the joints
named and forces of the other actuators."""

Commanded = tuple[int, ...]
"""The actuators, in their order, whose control is the acceleration of their joint."""


def commanded_actuators(model: mujoco.MjModel, commands: Commands) -> Commanded:
    """The actuators whose control is an acceleration.

    Raises:
        ValueError: if `commands` is none of the choices, a joint has no such name or not exactly one motor,
            or a commanded actuator is no motor on a joint.
    """
    joints = [model.joint(k).name for k in range(model.njnt)]
    if isinstance(commands, str):
        if commands not in ("force", "acceleration"):
            raise ValueError(
                f"commands is {commands!r}, expected 'force', 'acceleration' or a sequence of joint names"
            )
        found = tuple(range(model.nu)) if commands == "acceleration" else ()
    else:
        unknown = [name for name in commands if name not in joints or not name]
        if unknown or len(set(commands)) < len(commands):
            raise ValueError(f"commands names {list(commands)}, expected different joints among {joints}")
        wanted = {joints.index(name) for name in commands}
        found = tuple(k for k in range(model.nu) if _on_joint(model, k) and _joint(model, k) in wanted)
        bare = sorted(wanted - {_joint(model, k) for k in found})
        if bare:
            raise ValueError(f"commands names joint {joints[bare[0]]!r}, which has no actuator")
    for k in found:
        _check_motor(model, k)
    return found


def actuators_of(model: mujoco.MjModel, commanded: Commanded) -> dict[int, int]:
    """By commanded joint, its actuator."""
    return {_joint(model, k): k for k in commanded}


def ratio(model: mujoco.MjModel, actuator: int) -> float:
    """The force on the joint per unit of a motor's control."""
    return float(model.actuator_gear[actuator, 0] * model.actuator_gainprm[actuator, 0])


def _joint(model: mujoco.MjModel, actuator: int) -> int:
    return int(model.actuator_trnid[actuator, 0])


def _on_joint(model: mujoco.MjModel, actuator: int) -> bool:
    kinds = {int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)}
    return int(model.actuator_trntype[actuator]) in kinds


def _check_motor(model: mujoco.MjModel, actuator: int) -> None:
    name = model.actuator(actuator).name or f"actuator {actuator}"
    if not _on_joint(model, actuator):
        raise ValueError(f"{name} cannot be commanded by acceleration: it acts on no joint")
    others = [
        k
        for k in range(model.nu)
        if k != actuator and _on_joint(model, k) and _joint(model, k) == _joint(model, actuator)
    ]
    if others:
        raise ValueError(f"{name} cannot be commanded by acceleration: its joint has another actuator")
    plain = (
        model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
        and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE
        and ratio(model, actuator) != 0.0
    )
    if not plain:
        raise ValueError(
            f"{name} cannot be commanded by acceleration: write a <motor> whose gear is not 0, and the "
            "range of accelerations as its ctrlrange"
        )
