"""Random joint trees as MJCF: every feature that the compiled dynamics cover, and random numbers."""

import numpy as np

FLAGS = '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>'
AXES = np.eye(3)


def _words(*values) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(values))


def random_tree(seed: int, joints: int) -> str:
    """An MJCF with `joints` hinges and slides, several on a body, on branches, at any angle."""
    rng = np.random.default_rng(seed)

    def maybe(chance: float) -> bool:
        return bool(rng.random() < chance)

    def vector(size: float) -> str:
        return _words(rng.uniform(-size, size, 3))

    def joint(name: str) -> str:
        axis = AXES[rng.integers(3)] if maybe(0.5) else rng.normal(size=3)
        kind = "hinge" if maybe(0.6) else "slide"
        return (
            f'<joint name="{name}" type="{kind}" axis="{_words(axis)}" pos="{vector(0.3)}" '
            f'damping="{rng.uniform(0, 1)}" stiffness="{rng.uniform(0, 2)}" '
            f'springref="{rng.uniform(-1, 1)}" ref="{rng.uniform(-1, 1) if maybe(0.3) else 0}" '
            f'armature="{rng.uniform(0.02, 0.2)}"/>'
        )

    def actuator(name: str) -> str:
        if maybe(0.5):
            return f'<motor joint="{name}" gear="{rng.uniform(-2, 2)}"/>'
        return (
            f'<general joint="{name}" gear="{rng.uniform(-2, 2)}" gaintype="affine" '
            f'gainprm="{vector(1)}" biastype="affine" biasprm="{vector(1)}"/>'
        )

    bodies: list[str] = []
    parents: list[int] = []
    actuators: list[str] = []
    left = joints
    while left:
        b = len(bodies)
        parents.append(int(rng.integers(-1, b)) if maybe(0.4) else b - 1)
        here = left if b > 10 else min(left, int(rng.integers(0 if b else 1, 4)))
        left -= here
        names = [f"joint{b}_{k}" for k in range(here)]
        quaternion = np.array([1.0, 0.0, 0.0, 1.0]) if maybe(0.3) else rng.normal(size=4)
        inertia = np.sort(rng.uniform(0.05, 0.1, 3))
        bodies.append(
            f'<body name="body{b}" pos="{vector(1)}" quat="{_words(quaternion)}" '
            f'gravcomp="{rng.uniform(0, 1) if maybe(0.3) else 0}">'
            f'<inertial pos="{vector(0.3)}" quat="{_words(rng.normal(size=4))}" '
            f'mass="{rng.uniform(0.5, 2)}" diaginertia="{_words(inertia)}"/>'
            f'<site name="site{b}" pos="{vector(0.3)}" quat="{_words(rng.normal(size=4))}"/>'
            + "".join(joint(name) for name in names)
        )
        actuators += [actuator(name) for name in names if maybe(0.6)]
        if maybe(0.3):
            gear = _words(rng.uniform(-1, 1, 6))
            actuators.append(
                f'<general site="site{b}" gear="{gear}" gainprm="1.3" biastype="affine" biasprm="0.4 0 0"/>'
            )
    actuators.append('<motor joint="joint0_0"/>')

    def nest(parent: int) -> str:
        children = [b for b, above in enumerate(parents) if above == parent]
        return "".join(bodies[b] + nest(b) + "</body>" for b in children)

    return (
        f'<mujoco><compiler angle="radian" inertiafromgeom="false"/>'
        f'<option timestep="0.01" gravity="{vector(10)}">{FLAGS}</option>'
        f"<worldbody>{nest(-1)}</worldbody><actuator>{''.join(actuators)}</actuator></mujoco>"
    )
