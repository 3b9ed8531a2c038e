"""Side views: outlines against the mechanism, rays and MuJoCo's own pictures."""

import mujoco
import numpy as np
import pytest

from safebench.commands import offscreen, picture


def test_outlines_follow_the_mechanism(task_of):
    model = task_of("pendulum", "compiled").dynamics.model
    for theta in (0.0, 0.7, -2.0):
        view = picture.view_of(model, np.array([[theta]]))
        tip = np.array([np.sin(theta), np.cos(theta)])
        rod = max(
            picture.outlines(model, np.array([theta]), view.axes), key=lambda found: np.ptp(found.points)
        )
        reach = np.linalg.norm(rod.points, axis=1).max()
        assert reach == pytest.approx(1.04, abs=1e-3)  # the rod and its round end
        far = rod.points[np.linalg.norm(rod.points, axis=1) > 0.97]
        assert np.abs(far - tip).max() < 0.08
        assert (view.low < rod.points.min(axis=0)).all()
        assert (view.high > rod.points.max(axis=0)).all()


SHAPES = """
<mujoco>
  <asset><mesh name="m" vertex="0 0 0  0.3 0 0  0 0.3 0  0 0 0.4"/></asset>
  <worldbody>
    <geom name="g" type="{kind}" {size} pos="0.1 -0.2 0.3" euler="20 -35 50"/>
    <camera name="c" pos="0 -3 1" xyaxes="1 0.3 0 -0.1 0.3333333333333333 1"/>
  </worldbody>
</mujoco>
"""


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("sphere", 'size="0.2"'),
        ("capsule", 'size="0.1 0.3"'),
        ("cylinder", 'size="0.1 0.3"'),
        ("box", 'size="0.1 0.2 0.3"'),
        ("ellipsoid", 'size="0.1 0.2 0.3"'),
        ("mesh", 'mesh="m"'),
    ],
)
def test_outlines_against_rays_along_the_view(kind, size):
    """MuJoCo's own ray casting decides what is inside a silhouette."""
    model = mujoco.MjModel.from_xml_string(SHAPES.format(kind=kind, size=size))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    axes = data.cam_xmat[0].reshape(3, 3)[:, :2]
    (outline,) = picture.outlines(model, np.zeros(0), axes)
    edges = np.roll(outline.points, -1, axis=0) - outline.points
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)  # counter-clockwise, hence outwards
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    away = np.cross(axes[:, 0], axes[:, 1])
    rng = np.random.default_rng(0)
    middle = outline.points.mean(axis=0)
    hits = misses = 0
    for _ in range(300):
        point = middle + rng.uniform(-0.5, 0.5, 2)
        distance = (normals * (point - outline.points)).sum(axis=1).max()
        if abs(distance) < 0.01:  # polygons are not quite round
            continue
        found = np.zeros(1, np.int32)
        start = axes @ point + 5 * away
        hit = mujoco.mj_ray(model, data, start, -away, None, 1, -1, found) >= 0
        assert hit == (distance < 0)
        hits, misses = hits + hit, misses + (not hit)
    assert hits > 10
    assert misses > 10


def test_mujoco_pictures_agree_with_the_outlines(task_of):
    """Where EGL or OSMesa works; elsewhere the answer is None (see the next test)."""
    model = task_of("cartpole", "compiled").dynamics.model
    positions = np.array([[0.0, 0.0], [1.0, 0.6]])
    view = picture.view_of(model, positions, margin=0.3)
    height = int(320 / view.aspect)
    pictures = offscreen.render(model, positions, view, 320, height)
    if pictures is None:
        pytest.skip("no graphics back end")
    assert pictures.shape == (2, height, 320, 3)
    for image, q in zip(pictures, positions, strict=True):
        pole = picture.outlines(model, q, view.axes)[-1].points.mean(axis=0)
        column, row = (pole - view.low) / (view.high - view.low) * (320, height)
        red, _, blue = image[height - 1 - round(row), round(column)].astype(int)
        assert blue > red + 30  # the pole is blue


def test_without_a_graphics_back_end_there_are_no_pictures(task_of, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    model = task_of("pendulum", "compiled").dynamics.model
    view = picture.view_of(model, np.zeros((1, 1)))
    assert offscreen.render(model, np.zeros((1, 1)), view, 64, 64) is None
