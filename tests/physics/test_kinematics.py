"""Forward kinematics against C MuJoCo."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mechanisms import tree

from safebench.physics.kinematics import site_position


@pytest.mark.parametrize("seed", range(6))
def test_sites_of_random_trees_are_where_mujoco_has_them(seed):
    model = tree(seed, 5)
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(model)
    moving = [model.site(k).name for k in range(model.nsite) if model.site_bodyid[k] > 0]
    assert moving
    position = jax.jit(site_position(model, moving[-1]))
    for _ in range(10):
        data.qpos[:] = rng.uniform(-2, 2, model.nq)
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(
            position(jnp.asarray(data.qpos)), data.site(moving[-1]).xpos, rtol=0, atol=1e-12
        )


def test_a_site_that_is_not_there_or_does_not_move_is_refused():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><site name="base"/>
        <body><joint name="j"/><geom size="0.1"/><site name="tip"/></body></worldbody></mujoco>"""
    )
    with pytest.raises(ValueError, match="no site 'top'; its sites: base, tip"):
        site_position(model, "top")
    with pytest.raises(ValueError, match="'base' moves with no joint"):
        site_position(model, "base")
