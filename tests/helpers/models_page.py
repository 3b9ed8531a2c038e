"""The page docs/models.md: what a model must be, and every MJCF feature with what becomes of it.

    .venv/bin/python tests/helpers/models_page.py     # writes the page

What the table says is found out by stepping each feature's model, here and in tests/physics/test_features.py.
"""

import html
from pathlib import Path

import mujoco
import numpy as np
from mjcf_features import FEATURES, Feature

from safebench.physics import reference
from safebench.physics.supported import check_supported

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
COMMAND = ".venv/bin/python tests/helpers/models_page.py"

INTRODUCTION = """# Which models are supported

A mechanical task is one MJCF file. Its proof speaks of a step that is compiled from the model, and the
proof is worth something only if the simulator does that very step. So a model is **supported** if C
MuJoCo (`mj_step`), MJX (`mjx.step`) and the compiled step move it alike, up to rounding, and if its next
state is exactly affine in the action at every state. Every other model is **refused**, in every physics,
with a message that says what to write instead. No feature is dropped without a word.

In short, a model is a tree of hinge and slide joints with springs, dampers, rotor inertias and gravity
compensation, moved by actuators on joints or sites whose force is affine in their control. It has

```xml
<option integrator="Euler">
  <flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>
</option>
```

no limits, friction or equalities (limits are the constraints of the task: those are proven, not
simulated), no tendons, no medium, and no actuator with internal state, a delay or a clamp. Geoms are for
looking at: they never collide.

**Actions.** An action has one number in [-1, 1] for each actuator. Where the actuator has a `ctrlrange`,
it is scaled onto it: `ctrl = centre + radius * a`, so that -1 and 1 are the ends of the range. Without a
`ctrlrange` (or with `ctrllimited="false"`) `ctrl = a`. MJX and the compiled step do this by themselves;
in a loop of C MuJoCo write `data.ctrl[:] = task.dynamics.controls(x, action)`.

**Commanded by acceleration.** With `mechanical(model, disturbance_input, physics, "acceleration")` an
action is the acceleration of the actuator's joint (`ctrlrange` is its range, rad/s^2 or m/s^2), and the force
follows from the model's own inverse dynamics at the start of the step. A commanded joint then moves as
a double integrator up to rounding, at every state: gravity, inertia, springs and damping are
compensated. The actuators are motors, one for each commanded joint. `commands=["hip", "knee"]` commands
these joints, and actuators of others push as they are; joints without an actuator move freely. A
`forcerange` is then a limit that the proof shows to be kept over the whole constraint box, for every
action (`safebench certify` prints the largest force found, the bound that is proven, and the limit); it
clamps nothing.

**States that nothing constrains.** `mechanical(..., unconstrained={"theta": 25.0, "thetadot": 75.0})`
leaves states out of the task's constraints, its certificate and its proof: the constraint box has the
other states, in their order. That is sound where the others move whatever these do, which is read off
the formulas of their accelerations and refused otherwise: a cart commanded by acceleration does not feel
its pole, one pushed by a force does. The numbers are the largest magnitudes expected: rounding is allowed
for up to there, and forces are bounded up to there, which `safebench certify` says beside them (a
`forcerange` that depends on such a state is refused). `Task.starts` gives unconstrained states their
values where 0 will not do. See `tasks/cartpole_swingup.py`.

**Changed in Python.** After setting a mass or a position of an `MjModel` call `mujoco.mj_setConst(model,
data)`: C MuJoCo steps with some numbers that it computed from them. A model whose computed inertias are
not its own is refused.

**The fingerprint.** A certificate is bound to every number of the model that can move it. Names, colours,
shapes, keyframes, sensors and the settings of solvers can change; a mass changed in its last bit cannot.

## Every feature

The lists below are made by stepping each feature in a small model of a hinge and a slide: *exact* means
that the three steps agree to 1e-12 at random states and actions, and that the feature moves the next
state; where it does not, that is said. Words in brackets: what else the model had, so that the feature
could act. Elements that only combine these (`<include>`, `<attach>`, `<asset>` of models) give what they
are made of.
"""


def inputs(model: mujoco.MjModel, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Random states (count, n) and actions (count, m), the same for all models of one size."""
    rng = np.random.default_rng(0)
    q, v, a = (rng.uniform(-1, 1, (count, 20)) for _ in range(3))
    return np.hstack([q[:, : model.nq], v[:, : model.nv]]), a[:, : model.nu]


def moved(one: mujoco.MjModel, other: mujoco.MjModel) -> float:
    """The largest difference of their next states in C MuJoCo; infinite where they have other states."""
    if (one.nq, one.nv) != (other.nq, other.nv):
        return np.inf
    return float(np.abs(reference.steps(one, *inputs(one)) - reference.steps(other, *inputs(other))).max())


def outcome(feature: Feature) -> str:
    """What the page says of a feature."""
    with_it, without = feature.models()
    try:
        check_supported(with_it)
    except ValueError as error:
        return html.escape(f"refused: {str(error).split(': ', 1)[1]}", quote=False)
    return "exact" if moved(with_it, without) > 1e-6 else "exact, changes nothing"


def page() -> str:
    """The page as it should be."""
    lines = [INTRODUCTION]
    for section in dict.fromkeys(feature.section for feature in FEATURES):
        lines += [f"### {section}", "", "| MJCF | |", "|---|---|"]
        for feature in FEATURES:
            if feature.section == section:
                setting = f" (with `{feature.setting}`)" if feature.setting else ""
                lines.append(f"| `{feature.shown}`{setting} | {outcome(feature)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
