"""MuJoCo's own renderer without a screen, in a process of its own.

MuJoCo chooses its graphics back end when it is first imported, and a broken driver can take the process
down with it: so each back end is tried in a child, whose failure is an answer, not an accident.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from safebench.commands.picture import View

BACK_ENDS = ("egl", "osmesa")
LONGEST = 600
"""Seconds a child may take."""
NOTHING = 0.99
"""Of the greatest depth: what is farther away is background, made white (a model may have no sky)."""


def render(
    model: mujoco.MjModel, positions: Float[np.ndarray, "t q"], view: View, width: int, height: int
) -> UInt8[np.ndarray, "t height width 3"] | None:
    """Pictures of the model at joint positions, looking along `view`; None where no back end works.

    `$MUJOCO_GL`, if set, is the only back end tried.
    """
    chosen = os.environ.get("MUJOCO_GL")
    with tempfile.TemporaryDirectory() as folder:
        mujoco.mj_saveModel(model, str(Path(folder) / "model.mjb"))
        np.savez(Path(folder) / "job.npz", positions=positions, size=(width, height), **view._asdict())
        for name in (chosen,) if chosen else BACK_ENDS:
            command = [sys.executable, "-m", "safebench.commands.offscreen", folder]
            environment = {**os.environ, "MUJOCO_GL": name}
            try:
                done = subprocess.run(
                    command, env=environment, capture_output=True, timeout=LONGEST, check=False
                )
            except subprocess.TimeoutExpired:
                continue
            if done.returncode == 0:
                return np.load(Path(folder) / "pictures.npy")
    return None


def _child(folder: Path) -> None:
    model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
    job = np.load(folder / "job.npz")
    width, height = (int(value) for value in job["size"])
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    data = mujoco.MjData(model)
    camera = _camera(model, job["axes"], job["low"], job["high"], width / height)
    pictures = []
    with mujoco.Renderer(model, height, width) as renderer:
        for position in job["positions"]:
            data.qpos[:] = position
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera)
            picture = renderer.render().copy()
            renderer.enable_depth_rendering()
            depth = renderer.render()
            renderer.disable_depth_rendering()
            picture[depth > NOTHING * model.vis.map.zfar * model.stat.extent] = 255
            pictures.append(picture)
    np.save(folder / "pictures.npy", np.stack(pictures))


def _camera(
    model: mujoco.MjModel, axes: np.ndarray, low: np.ndarray, high: np.ndarray, aspect: float
) -> mujoco.MjvCamera:
    """A free camera that looks where the view looks, from as far as it takes to see its window."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    forward = np.cross(axes[:, 1], axes[:, 0])
    camera.azimuth = np.degrees(np.arctan2(forward[1], forward[0]))
    camera.elevation = np.degrees(np.arcsin(np.clip(forward[2], -1, 1)))
    camera.lookat[:] = axes @ (0.5 * (low + high))
    width, height = high - low
    camera.distance = 0.5 * max(height, width / aspect) / np.tan(np.radians(model.vis.global_.fovy) / 2)
    return camera


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
