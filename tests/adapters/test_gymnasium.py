"""One environment for Gymnasium: its contract, the cost it tells, and what it refuses."""

import doctest
import re
import shutil
import subprocess
import sys

import every_task
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import safebench.gymnasium as adapter
from safebench import registry
from safebench.adapters import identifiers
from safebench.env.safety import Safety
from safebench.runs import api, presets
from safebench.safeguards import ray_mask

SOME = [
    ("pendulum", "ray-mask"),
    ("pendulum", "boundary-projection+regularised"),
    ("docking", "none"),
    pytest.param("quadrotor", "ray-mask+orthogonal", marks=pytest.mark.slow),
    pytest.param("seeker", "ray-mask", marks=pytest.mark.slow),
]


def made(task, safeguard, **options):
    return gymnasium.make(adapter.gymnasium_id(task, safeguard), physics="compiled", **options)


def walked(env, steps, seed=0):
    """Random actions: the costs of the steps, and the info of each."""
    env.reset(seed=seed)
    env.action_space.seed(seed)
    infos = [env.step(env.action_space.sample())[-1] for _ in range(steps)]
    return np.array([info["cost"] for info in infos]), infos


@pytest.mark.parametrize(("task", "safeguard"), SOME)
@pytest.mark.filterwarnings("ignore:.*A Box observation space:UserWarning")  # unbounded, as it is said to be
def test_gymnasium_finds_nothing_to_complain_of(task, safeguard):
    env = made(task, safeguard)
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert (observation.dtype, info["cost"], info["steps"]) == (np.float32, 0.0, 0)
    assert info["worst_margin"] < 0
    *_, after = env.step(env.action_space.sample())
    assert set(after) == set(info) >= {"cost", "applied", *Safety._fields}
    assert {"reached", "success"} <= set(info) if env.unwrapped.env.task.reached else "success" not in info
    assert all(isinstance(info[name], float) for name in ("cost", "correction", "worst_margin"))


def test_a_guarded_walk_costs_nothing_and_an_unguarded_one_does():
    guarded, infos = walked(made("pendulum", "ray-mask"), 200)
    assert guarded.sum() == 0
    assert sum(info["interventions"] for info in infos) > 0
    unguarded, infos = walked(made("pendulum", "none"), 200)
    assert set(unguarded) == {0.0, 1.0}
    assert [info["violations"] for info in infos] == list(unguarded)
    assert all((info["worst_margin"] > 0) == (info["cost"] == 1.0) for info in infos)


def test_an_episode_ends_at_the_horizon_and_is_truncated():
    env = made("pendulum", "ray-mask")
    env.reset(seed=0)
    horizon = env.unwrapped.env.task.horizon
    ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(horizon)]
    assert ends == [(False, False)] * (horizon - 1) + [(False, True)]


def test_seeds_decide_everything():
    walks = []
    for seed in (3, 3, 4):
        env = made("pendulum", "ray-mask")
        first, _ = env.reset(seed=seed)
        steps = [env.step(np.ones(1, np.float32))[0] for _ in range(20)]
        second, _ = env.reset()
        walks.append(np.array([first, *steps, second]))
    np.testing.assert_array_equal(walks[0], walks[1])
    assert not np.array_equal(walks[0], walks[2])
    assert not np.array_equal(walks[0][0], walks[0][-1])


def test_an_action_that_is_no_number_is_counted_and_not_applied():
    env = made("pendulum", "ray-mask").unwrapped
    env.reset(seed=0)
    observation, *_, info = env.step(np.array([np.nan]))
    assert (info["non_finite"], info["cost"]) == (1, 0.0)
    assert np.isfinite(observation).all()
    assert np.isfinite(info["applied"]).all()
    assert env.step(np.array([0.0]))[-1]["non_finite"] == 0  # the control


@pytest.mark.parametrize("safeguard", ["none", "ray-mask"])
def test_an_action_outside_of_the_box_is_answered_inside_and_counted(safeguard):
    env = made("pendulum", safeguard).unwrapped
    env.reset(seed=0)
    *_, info = env.step(np.array([7.0]))
    assert (np.abs(info["applied"]) <= 1).all()
    assert info["interventions"] == 1
    assert info["correction"] >= 6


def test_names_share_their_programs_and_all_else_may_have_changed(tmp_path):
    shared = [adapter.Environment("pendulum", "ray-mask", physics="compiled") for _ in range(2)]
    assert shared[0].env is shared[1].env
    changed = api.guard("ray-mask", centre="orthogonal")
    other = adapter.Environment("pendulum", changed, physics="compiled")
    assert other.env.safeguard is changed
    assert other.env is not adapter.Environment("pendulum", changed, physics="compiled").env
    file = shutil.copy(ray_mask.__file__, tmp_path / "my_guard.py")
    files = [adapter.Environment("pendulum", str(file), physics="compiled") for _ in range(2)]
    assert files[0].env is not files[1].env


def test_what_is_wrong_is_said_in_one_line():
    env = adapter.Environment("pendulum", "none", physics="compiled")
    with pytest.raises(gymnasium.error.ResetNeeded, match="first step"):
        env.step(np.zeros(1))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(2,\): expected \(1,\)"):
        env.step(np.zeros(2))
    with pytest.raises(TypeError, match="render_mode 'human'"):
        adapter.Environment("pendulum", "none", render_mode="human")
    with pytest.raises(LookupError, match=r"unknown task 'pendulun'\. Did you mean 'pendulum'"):
        adapter.Environment("pendulun", "none")
    with pytest.raises(LookupError, match="unknown safeguard 'ray-mas'"):
        adapter.Environment("pendulum", "ray-mas", physics="compiled")


def test_every_task_with_every_preset_has_an_id_of_its_own():
    pairs = list(identifiers.every())
    assert set(pairs) == {(task, name) for task in registry.names("task") for name in presets.names()}
    found = {adapter.gymnasium_id(*pair) for pair in pairs}
    assert len(found) == len(pairs)
    assert found == {name for name in gymnasium.registry if name.startswith("safebench/")}
    assert "safebench/quadrotor-ray-mask-v1" in found


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [
        task if task in every_task.FILES else pytest.param(task, marks=pytest.mark.weekly)
        for task in registry.names("task")
    ],
)
def test_every_id_can_be_made(task):
    """One of them is also stepped: the rest differ by the safeguard alone."""
    sizes = set()
    for safeguard in presets.names():
        env = made(task, safeguard)
        sizes.add((env.observation_space.shape, env.action_space.shape))
    assert len(sizes) == 1
    env = made(task, "none")
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.step(env.action_space.sample())[0] in env.observation_space


def test_the_example_is_true():
    found = doctest.testmod(adapter)
    assert (found.failed, found.attempted) == (0, 5)


@pytest.mark.slow
def test_an_id_brings_its_module_along():
    code = (
        "import gymnasium; name = 'safebench.gymnasium:safebench/pendulum-none-v1'; "
        "print(gymnasium.make(name, physics='compiled').reset(seed=0)[1]['cost'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.0\n"


def test_without_gymnasium_one_line_says_what_to_install():
    code = "import sys; sys.modules['gymnasium'] = None; import safebench.gymnasium"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(
        r"ModuleNotFoundError: .* needs gymnasium: pip install 'safebench\[gymnasium\]'", last
    )
    assert "During handling" not in done.stderr
