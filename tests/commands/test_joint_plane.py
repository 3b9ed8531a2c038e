"""An arm in its plane, and the plane of its joint angles below: what is drawn is where the arm is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_gap import arm_gap
from matplotlib.patches import Rectangle
from scipy.spatial import ConvexHull

from safebench.commands import bodies, joint_plane, plane, still
from safebench.commands.column import OUTSIDE, Column
from safebench.env import rollout, safe_set
from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.report.style import styled
from safebench.runs import api
from safebench.tasks import arm2_obstacles as module

STEPS = 60


@functools.cache
def rolled():
    """Full speed ahead, without a safeguard."""
    env = Env(module.make("compiled"), api.guard("none"))
    start = rollout.begin(env, "random", jax.random.key(1))
    return env.task, rollout.roll_out(env, lambda step, seen: jnp.ones(2), start, STEPS)


def test_a_link_is_drawn_as_the_points_near_a_segment():
    for ends in ([[0.0, 0.0], [0.3, 0.4]], [[1.0, 2.0], [1.0, 1.5]]):
        corners = bodies.capsule(np.array(ends), 0.1)
        line = np.subtract(*reversed(np.array(ends))) / 0.5
        along = np.clip((corners - ends[0]) @ line, 0, 0.5)
        away = np.linalg.norm(corners - ends[0] - along[:, None] * line, axis=1)
        np.testing.assert_allclose(away, 0.1)
        hull = ConvexHull(corners)
        assert len(hull.vertices) == len(corners)
        assert hull.volume == pytest.approx(np.pi * 0.1**2 + 2 * 0.1 * 0.5, rel=2e-3)


def test_the_map_shows_the_cells_that_are_not_certified(task_of):
    task = task_of("arm2-obstacles", "compiled")
    start = jax.jit(task.corridors.begin)(jax.random.key(2))
    shown = jax.jit(task.picture)(*start)
    taken, lower, upper, goals = map(np.asarray, shown.joints)
    size = (upper - lower) / taken.shape
    index = np.stack(np.nonzero(~taken), axis=-1)
    q = lower + (index + np.random.default_rng(0).random(index.shape)) * size
    discs = map(np.asarray, shown.obstacles)
    assert arm_gap(q, *[part[None] for part in discs]).min() > 0
    assert 0.05 < taken.mean() < 0.5
    np.testing.assert_array_equal(goals, [start.context.goal])
    np.testing.assert_allclose(shown.links.ends[1, 1], shown.bodies.centre[0])


@pytest.mark.slow
def test_a_still_shows_the_arm_its_violations_and_its_way_through_joint_space():
    task, found = rolled()
    column = Column("none", found, None)
    assert joint_plane.has_joints(found)
    seen = plane.window(task, [found])
    assert seen.walls is None  # of joint angles: not in this plane
    with styled():
        figure = still.whole(task, [column], seen)
        figure.canvas.draw()
    above, below = figure.axes
    assert above.get_xlabel() == "[m]"
    assert (below.get_xlabel(), below.get_ylabel()) == ("joint1 [rad]", "joint2 [rad]")
    assert found.safety.violations.sum() > 0
    for axes in figure.axes:
        drawn = next(
            line for line in axes.lines if line.get_color() == OUTSIDE and line.get_linestyle() == "-"
        )
        assert np.isfinite(drawn.get_xdata()).sum() / 2 == found.safety.violations.sum()
    way = next(line for line in below.lines if line.get_linewidth() == 1.3)
    points = way.get_xydata()[::3]
    np.testing.assert_allclose(points, found.states[:-1, :2])
    width, height = below.get_window_extent().size / [np.ptp(below.get_xlim()), np.ptp(below.get_ylim())]
    assert width == pytest.approx(height)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == len(set(labels))
    assert {"obstacle", "goal", "free box", "joint angles not certified"} <= set(labels)
    # The last box is that of the corridor at the end.
    corridor = Corridor(*(side[-1] for side in found.corridors))
    low, _ = safe_set.free_box(task.safe_set, corridor)
    assert any(
        patch.get_xy() == pytest.approx(tuple(low)) for patch in below.patches if isinstance(patch, Rectangle)
    )
    # What moves is where the arm is.
    drawn = bodies.add(figure.add_subplot(), task, found, ["blue"])
    assert not drawn.sections
    bodies.put(drawn, task, found, STEPS)
    corners = np.asarray(module.arm_corners(module.ARM, jnp.asarray(found.states[-1, :2])))
    for k, link in enumerate(drawn.links):
        middle = link.get_xy()[:-1].mean(axis=0)
        np.testing.assert_allclose(middle, corners[k : k + 2].mean(axis=0), atol=1e-6)
