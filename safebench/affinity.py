"""What a model must be so that its step is exactly affine in its controls, which safety rests on."""

import mujoco


def check_affine(model: mujoco.MjModel) -> None:
    """Refuse a model whose step is not exactly affine in its controls, naming the reason.

    Raises:
        ValueError: for another integrator than Euler, active contacts, limits or clamps, implicit
            damping, joints other than hinge and slide, or friction loss.
    """
    disabled = model.opt.disableflags
    flags = mujoco.mjtDisableBit
    wanted = {
        "contact": flags.mjDSBL_CONTACT,
        "constraint": flags.mjDSBL_CONSTRAINT,
        "eulerdamp": flags.mjDSBL_EULERDAMP,
        "clampctrl": flags.mjDSBL_CLAMPCTRL,
    }
    missing = [name for name, bit in wanted.items() if not disabled & bit]
    problems = []
    if missing:
        flag = " ".join(f'{name}="disable"' for name in missing)
        problems.append(f"its <option> lacks <flag {flag}/>")
    if model.opt.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        problems.append("its integrator is not Euler")
    kinds = {mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE}
    if not set(model.jnt_type.tolist()) <= {int(kind) for kind in kinds}:
        problems.append("it has joints other than hinge and slide")
    if model.actuator_forcelimited.any():
        problems.append("an actuator has a forcerange, whose clamp is not affine")
    if model.na:
        problems.append("an actuator has internal state")
    if problems:
        raise ValueError("the model's step is not exactly affine in its controls: " + "; ".join(problems))
