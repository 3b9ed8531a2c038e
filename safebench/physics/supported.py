"""The mechanical models that safebench supports: those that C MuJoCo, MJX and the compiled step move alike.

What is proven must be what runs, in every physics. `check_supported` refuses every other model and says what
to write instead; docs/models.md has the whole list of MJCF features, made by a test that steps each of them.
"""

import copy
import fnmatch
from functools import cache
from typing import Any

import mujoco
import numpy as np

from safebench.physics.commands import Commanded
from safebench.physics.fingerprint import at_rest, motionless, numbers
from safebench.physics.quiet import quiet

with quiet():
    from mujoco import mjx

DEMANDED = ("contact", "constraint", "eulerdamp", "clampctrl")
"""What <option><flag .../> must disable: else the step is not affine in the controls."""

HARMLESS = """
    equality frictionloss limit gravity warmstart filterparent refsafe sensor midphase autoreset nativeccd
    island multiccd
""".split()
"""What <flag> may disable: every physics takes it alike."""

KNOWN = """
    nq nv nu na nbody njnt nsite ntree nactuator nout neq ntendon nwrap nmocap nplugin* nflex* ngravcomp
    flg_gravcomp plugin* flex* eq_* tendon_* wrap_*
    body_parentid body_rootid body_weldid body_mocapid body_jntnum body_jntadr body_dofnum body_dofadr
    body_treeid body_simple body_sameframe body_pos body_quat body_ipos body_iquat body_mass body_inertia
    body_gravcomp body_plugin tree_bodyadr tree_bodynum tree_dofadr tree_dofnum tree_sleep_policy
    jnt_type jnt_qposadr jnt_dofadr jnt_bodyid jnt_actuatorid jnt_pos jnt_axis jnt_stiffness jnt_stiffnesspoly
    jnt_range jnt_limited jnt_actfrclimited jnt_actfrcrange jnt_actgravcomp qpos0 qpos_spring
    dof_bodyid dof_jntid dof_parentid dof_treeid dof_simplenum dof_frictionloss dof_armature dof_damping
    dof_dampingpoly site_bodyid site_sameframe site_pos site_quat
    actuator_trntype actuator_trnid actuator_gear actuator_cranklength actuator_dyntype actuator_dynprm
    actuator_gaintype actuator_gainprm actuator_biastype actuator_biasprm actuator_ctrladr actuator_ctrlnum
    actuator_ctrlspec actuator_ctrllimited actuator_ctrlrange actuator_outadr actuator_outnum actuator_actadr
    actuator_actnum actuator_actlimited actuator_actrange actuator_actearly actuator_history
    actuator_historyadr actuator_delay actuator_damping actuator_dampingpoly actuator_armature
    actuator_forcelimited actuator_forcerange actuator_lengthrange actuator_plugin
    opt.timestep opt.gravity opt.integrator opt.disableflags opt.enableflags opt.disableactuator opt.density
    opt.viscosity opt.wind
""".split()
"""Fields (patterns where all of a kind is refused) that are compiled, refused or follow from such."""


def controls(model: mujoco.MjModel, action: Any) -> Any:
    """MuJoCo's `ctrl` (m,) for an action (m,) in [-1, 1]: the action scaled onto the actuators' ctrlrange.

    ctrl = centre + radius * a for an actuator with a ctrlrange, so that -1 and 1 are its ends; ctrl = a,
    exactly, for one without (ctrllimited is false). The action is a numpy or JAX array, also a batch
    (..., m), or a list of numbers of any type; so is what comes back.
    """
    limited = model.actuator_ctrllimited.astype(bool)
    if not limited.any():
        return action
    low, high = np.where(limited[:, None], model.actuator_ctrlrange, [-1.0, 1.0]).T
    centre, radius = (low + high) / 2, (high - low) / 2
    if isinstance(action, list):
        return [float(c) + float(r) * a for c, r, a in zip(centre, radius, action, strict=True)]
    kind = action.dtype if action.dtype.kind not in "iub" else np.dtype(float)
    return centre.astype(kind) + radius.astype(kind) * action


def check_supported(model: mujoco.MjModel, commanded: Commanded = ()) -> None:
    """Refuse a model that C MuJoCo, MJX and the compiled step would not move alike, or not affinely.

    A commanded actuator may have a forcerange: it is proven (see `force_bound`), not simulated.

    Raises:
        ValueError: naming every reason, with what to write instead.
    """
    problems = [*_options(model), *_parts(model), *_actuators(model, commanded), *_unknown(model)]
    if not problems:
        problems = [*_stale(model), *_refused_by_mjx(model)]
    if problems:
        raise ValueError("the model is not supported (see docs/models.md): " + "; ".join(problems))


def without_collisions(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy whose geoms do not collide: it moves alike (contacts are disabled), and MJX takes any shape.

    Nor does it clamp a force: in the constraints no commanded force reaches its limit, as is proven, and an
    unguarded agent beyond them meets the same physics everywhere.
    """
    plain = copy.deepcopy(model)
    plain.geom_contype[:] = plain.geom_conaffinity[:] = 0
    plain.actuator_forcelimited[:] = 0
    return plain


def _flags(bits: int, flags: Any, prefix: str) -> set[str]:
    """The MJCF names of the flags that are set; "bit 2^k" for one without a name."""
    names = {
        int(flag): name.removeprefix(prefix).lower()
        for name, flag in flags.__members__.items()
        if name.startswith(prefix)
    }
    return {names.get(1 << k, f"bit 2^{k}") for k in range(32) if bits >> k & 1}


def _options(model: mujoco.MjModel) -> list[str]:
    option = model.opt
    disabled = _flags(option.disableflags, mujoco.mjtDisableBit, "mjDSBL_")
    enabled = _flags(option.enableflags, mujoco.mjtEnableBit, "mjENBL_")
    missing = [name for name in DEMANDED if name not in disabled]
    problems = []
    if missing:
        flag = " ".join(f'{name}="disable"' for name in missing)
        problems.append(f"its <option> lacks <flag {flag}/>, without which its step is not exactly affine")
    instead = {
        "spring": "MJX then drops all passive forces: leave it out, and set every stiffness to 0",
        "damper": "MJX then drops all passive forces: leave it out, and set every damping to 0",
        "actuation": "then actions do nothing: leave it out",
    }
    for name in sorted(disabled.difference(DEMANDED, HARMLESS)):
        problems.append(f'it has <flag {name}="disable"/>; {instead.get(name, "leave it out")}')
    if enabled:
        flag = " ".join(f'{name}="enable"' for name in sorted(enabled))
        problems.append(f"it has <flag {flag}/>, which not every physics has: leave it out")
    if option.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        problems.append('its integrator is not Euler: write <option integrator="Euler"/>')
    if option.density or option.viscosity:
        problems.append("its medium has density or viscosity, whose drag is not compiled: leave them out")
    if option.disableactuator:
        problems.append("it has an actuatorgroupdisable, which MJX ignores: leave those actuators out")
    return problems


def _parts(model: mujoco.MjModel) -> list[str]:
    kinds = {mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE}
    limit = 'write limited="false", and give the limits as constraints of the task, which are proven'
    refusals = {
        "it has no joints": model.nv == 0,
        "it has joints other than hinge and slide: write a free or ball joint as slides and hinges": (
            not set(model.jnt_type.tolist()) <= set(map(int, kinds))
        ),
        f"a joint has limits, which disabled constraints drop: {limit}": model.jnt_limited.any(),
        "a joint has frictionloss, which disabled constraints drop: leave it out, or write damping": (
            model.dof_frictionloss.any()
        ),
        "a joint limits the actuator force, a clamp that is not affine: leave actuatorfrcrange out, and "
        "scale the actuator's gear": model.jnt_actfrclimited.any(),
        "a joint has polynomial stiffness or damping, which MJX ignores: write a single number": (
            model.jnt_stiffnesspoly.any() or model.dof_dampingpoly.any()
        ),
        "it has tendons: put springs, dampers and actuators on joints": model.ntendon > 0,
        "it has equality constraints: leave them out, and weld bodies by nesting them without a joint": (
            model.neq > 0
        ),
        "it has flexes: leave them out": model.nflex > 0,
        "it has mocap bodies: leave mocap out": model.nmocap > 0,
        "it has plug-ins: leave them out": model.nplugin > 0,
    }
    return [reason for reason, holds in refusals.items() if holds]


def _actuators(model: mujoco.MjModel, commanded: Commanded) -> list[str]:
    def among(kinds, *allowed) -> bool:
        return set(kinds.tolist()) <= set(map(int, allowed))

    trn, gain, bias = mujoco.mjtTrn, mujoco.mjtGain, mujoco.mjtBias
    several = (
        not model.nu == model.nactuator == model.nout == len(model.actuator_gear)
        or not (model.actuator_ctrlnum == 1).all()
    )
    refusals = {
        "it has no actuators: there is nothing to act with": model.nactuator == 0,
        "an actuator has several inputs or outputs: write one actuator for each": several,
        "an actuator acts on other than a joint or a site: write joint or site as its target": not among(
            model.actuator_trntype, trn.mjTRN_JOINT, trn.mjTRN_JOINTINPARENT, trn.mjTRN_SITE
        ),
        "an actuator has internal state, which is not part of (qpos, qvel): write it without dyntype, "
        "timeconst or integrated control": (
            model.na > 0 or not among(model.actuator_dyntype, mujoco.mjtDyn.mjDYN_NONE)
        ),
        "an actuator's gain is neither fixed nor affine: write <general> with such a gain": not among(
            model.actuator_gaintype, gain.mjGAIN_FIXED, gain.mjGAIN_AFFINE
        ),
        "an actuator's bias is neither none nor affine: write <general> with such a bias": not among(
            model.actuator_biastype, bias.mjBIAS_NONE, bias.mjBIAS_AFFINE
        ),
        'an actuator has a forcerange, a clamp that is not affine: write forcelimited="false", and scale its '
        "gear or ctrlrange; it may stay where the actuator is commanded by acceleration": any(
            limited for k, limited in enumerate(model.actuator_forcelimited) if k not in commanded
        ),
        "an actuator has damping or armature, which MJX ignores: write them on the joint": (
            model.actuator_damping.any()
            or model.actuator_dampingpoly.any()
            or model.actuator_armature.any()
            or (model.jnt_actuatorid >= 0).any()
        ),
        "an actuator has a delay or a history, which MJX ignores: leave it out": (
            model.actuator_delay.any() or model.actuator_history.any()
        ),
    }
    on_site = model.actuator_trntype == trn.mjTRN_SITE
    if not several and on_site.any():
        state_terms = np.hstack([model.actuator_gainprm[:, 1:3], model.actuator_biasprm[:, 1:3]])
        refusals |= {
            "an actuator on a site has a reference site: leave refsite out": (
                on_site & (model.actuator_trnid[:, 1] >= 0)
            ).any(),
            "an actuator on a site depends on position or velocity: write 0 for these gains and biases": (
                state_terms[on_site].any()
            ),
        }
    return [reason for reason, holds in refusals.items() if holds]


def _unknown(model: mujoco.MjModel) -> list[str]:
    """What a later MuJoCo may have added, and this model uses."""
    return [
        f"its {field} is set, which this version of safebench does not know: leave it out"
        for field, array in numbers(model)
        if not at_rest(array) and motionless(field) is None and not _known(field)
    ]


@cache
def _known(field: str) -> bool:
    return any(fnmatch.fnmatchcase(field, pattern) for pattern in KNOWN)


def _stale(model: mujoco.MjModel) -> list[str]:
    """C MuJoCo steps with some numbers computed from others: a mass set in Python leaves them behind."""
    fresh = copy.deepcopy(model)
    mujoco.mj_setConst(fresh, mujoco.MjData(fresh))
    if np.allclose(fresh.dof_M0, model.dof_M0, rtol=1e-12, atol=0):
        return []
    return [
        "its computed inertias are not those of its masses: call mujoco.mj_setConst after setting numbers"
    ]


def _refused_by_mjx(model: mujoco.MjModel) -> list[str]:
    try:
        mjx.put_model(without_collisions(model), impl="jax")
    except NotImplementedError as error:
        return [f"MJX does not run it: {error}"]
    return []
