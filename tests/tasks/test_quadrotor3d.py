"""The quadrotor in space: its goals are shown where they are."""

import jax.numpy as jnp
import numpy as np

from safebench.commands import picture
from safebench.env.corridor import FIXED
from safebench.tasks import quadrotor3d


def test_the_goal_is_shown_where_the_camera_sees_it(task_of):
    task = task_of("quadrotor3d", "compiled")
    goal = quadrotor3d.Goal(jnp.array([1.0, -2.0, 3.0]))
    shown = task.picture(jnp.asarray(task.starts[0]), goal, FIXED)
    seen = np.asarray(goal.target) @ picture.first_camera(task.dynamics.model)
    np.testing.assert_allclose(shown.goals, [seen], atol=1e-6)
