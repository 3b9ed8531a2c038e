"""SHA-256 of everything that determines how a mechanical model moves; certificates are bound to it.

It covers every number of the compiled MuJoCo model and of its options, except those named below, each group
with the reason why it cannot move a model without contacts and constraints. What a later MuJoCo adds is
covered by default; an added array that is still at rest (all 0, or all -1 for "none") changes nothing.
"""

import fnmatch
import hashlib
from collections.abc import Iterator
from functools import cache

import mujoco
import numpy as np

Array = np.ndarray

MOTIONLESS = {
    "names, texts and what users attach": """
        names* name_*adr npaths text_* ntext* numeric_* nnumeric* tuple_* ntuple* nnames* signature
        *_user nuser_* nuserdata *_group
    """,
    "looks": """
        mat_* tex_* skin_* cam_* light_* *_rgba *_matid nmat ntex* nskin* ncam nlight
    """,
    "shapes, which act by contact or in a medium only": """
        geom_* ngeom mesh_* nmesh* hfield_* nhfield* bvh_* nbvh* oct_* noct body_geomadr body_geomnum
        body_bvhadr body_bvhnum body_contype body_conaffinity body_margin pair_* npair exclude_* nexclude
        site_type site_size site_dataid npolygonmax flg_adhesion flg_surfacevel
    """,
    "keyframes": "key_* nkey",
    "sensors, which only read": "sensor_* nsensor*",
    "the solver of constraints, of which there are none": """
        *_solref* *_solimp* jnt_margin *_invweight0 opt.solver opt.iterations opt.tolerance opt.ls_iterations
        opt.ls_tolerance opt.noslip_iterations opt.noslip_tolerance opt.ccd_iterations opt.ccd_tolerance
        opt.sdf_iterations opt.sdf_initpoints opt.cone opt.jacobian opt.impratio opt.o_margin opt.o_friction
        opt.sleep_tolerance
    """,
    "magnetic sensors": "opt.magnetic",
    "sizes of memory and layouts of sparse matrices, which follow from the tree": """
        nbuffer narena nconmax njmax nemax nhistory nM nB nC nD nJ* nefm* M_* B_* D_* mapM2D mapD2M mapM2M
        efm0_* efmC_* dof_Madr ten_J_* flexedge_J_* flexvert_J_*
    """,
    "numbers that MuJoCo computes from the others, in floating point": """
        body_subtreemass dof_M0 dof_length actuator_acc0 actuator_length0
    """,
}
"""Of every reason: patterns of the fields (options as "opt.name") that the fingerprint leaves out.

A computed number that is stale could move C MuJoCo: `safebench.physics.supported` refuses such a model.
"""


def numbers(model: mujoco.MjModel) -> Iterator[tuple[str, Array]]:
    """Every number of a model and of its options, as (field, array), in the order of their names."""
    for prefix, holder in (("", model), ("opt.", model.opt)):
        for name in sorted(dir(holder)):
            value = None if name.startswith("_") else getattr(holder, name)
            if isinstance(value, bool | int | float | np.integer | np.floating | np.ndarray):
                yield prefix + name, np.asarray(value)


@cache
def motionless(field: str) -> str | None:
    """Why a field cannot move the model, or None where it can."""
    for reason, patterns in MOTIONLESS.items():
        if any(fnmatch.fnmatchcase(field, pattern) for pattern in patterns.split()):
            return reason
    return None


def at_rest(array: Array) -> bool:
    """All 0, or all -1 where these are indices: MuJoCo's way to say "none"."""
    return not array.any() or (array.dtype.kind == "i" and bool((array == -1).all()))


def fingerprint(model: mujoco.MjModel, *arrays: Array) -> str:
    """SHA-256 over the numbers of the compiled model that its motion may depend on, and over `arrays`.

    Names, colours and file layout do not matter; a mass changed in its last bit does.
    """
    digest = hashlib.sha256()
    for field, array in numbers(model):
        if not at_rest(array) and motionless(field) is None:
            absorb(digest, field, array)
    for index, array in enumerate(arrays):
        absorb(digest, f"array{index}", array)
    return digest.hexdigest()


def absorb(digest, name: str, array: Array) -> None:
    """Feed a named array into a digest: shape and values, as 64-bit numbers of one byte order."""
    canonical = np.ascontiguousarray(array, "<i8" if array.dtype.kind in "iub" else "<f8")
    digest.update(f"{name}{array.shape}".encode())
    digest.update(canonical.tobytes())
