"""Playing: the rollout, what is drawn of it, and bad input."""

import jax
import numpy as np
import pytest
import tiny_cells
from PIL import Image

from safebench.commands import animate, picture, player, scene, still, traces
from safebench.commands.column import Column, show
from safebench.env import rollout
from safebench.env.environment import Env
from safebench.report.style import styled
from safebench.runs import presets
from safebench.sets.polytope import Polytope, contains

STEPS = 40


def env_of(task, name):
    _, module, config = presets.resolve(name)
    return Env(task, module.make(config))


@pytest.fixture(scope="module")
def rollouts(task_of):
    """Random actions on the pendulum from one start, without and with a safeguard."""
    task = task_of("pendulum", "compiled")
    act = rollout.random_actions(1, STEPS, jax.random.key(7))
    found = {}
    for name in ("none", "ray-mask"):
        env = env_of(task, name)
        found[name] = rollout.roll_out(env, act, rollout.begin(env, "boundary", jax.random.key(3)), STEPS)
    return found


def test_the_same_actions_are_proposed_and_only_the_guarded_rollout_is_safe(rollouts):
    unguarded, guarded = rollouts["none"], rollouts["ray-mask"]
    np.testing.assert_array_equal(unguarded.proposed, guarded.proposed)
    np.testing.assert_array_equal(unguarded.states[0], guarded.states[0])
    assert guarded.counters.violations == guarded.counters.departures == 0
    assert guarded.counters.interventions == guarded.intervened.sum() > 0
    assert unguarded.counters.departures > 0
    assert unguarded.counters.interventions == 0
    np.testing.assert_array_equal(unguarded.applied, unguarded.proposed)


def test_a_rollout_is_the_tasks_own_dynamics(rollouts, task_of):
    task, found = task_of("pendulum", "compiled"), rollouts["ray-mask"]
    calm = np.asarray(
        jax.vmap(lambda x, a: task.dynamics.step(x, a, np.zeros(1)))(found.states[:-1], found.applied)
    )
    reach = task.control_period * task.disturbance.radius[0] + 1e-12
    assert (np.abs(calm - found.states[1:])[:, 1] <= reach).all()
    assert found.times[-1] == pytest.approx(STEPS * task.control_period)
    assert found.total_reward == pytest.approx(found.rewards.sum())


def test_the_bands_are_where_the_sets_begin_and_end(rollouts, task_of):
    task, found = task_of("pendulum", "compiled"), rollouts["ray-mask"]
    rows = Polytope(task.safe_set.normals, task.safe_set.offsets)
    for t in (0, 5, STEPS):
        for i in range(2):
            for bound, outwards in ((found.state_low[t, i], -1), (found.state_high[t, i], 1)):
                x = found.states[t].copy()
                x[i] = bound - 1e-6 * outwards
                assert contains(rows, x)
                x[i] = bound + 1e-6 * outwards
                assert not contains(rows, x)
    assert (found.action_low - 1e-9 <= found.applied).all()
    assert (found.applied <= found.action_high + 1e-9).all()
    # The unguarded actions are outside their band somewhere: the band says something.
    unguarded = rollouts["none"]
    assert not (
        (unguarded.action_low <= unguarded.applied) & (unguarded.applied <= unguarded.action_high)
    ).all()


def test_slices_against_a_search_along_each_coordinate():
    rng = np.random.default_rng(0)
    normals, offsets = rng.normal(size=(30, 3)), rng.uniform(0.5, 1.0, 30)
    points = rng.normal(scale=0.4, size=(20, 3))
    low, high = rollout.slices(normals, offsets, points)
    line = np.linspace(-8, 8, 16001)
    empty = 0
    for t, point in enumerate(points):
        for i in range(3):
            probes = np.repeat(point[None], len(line), axis=0)
            probes[:, i] = line
            inside = line[contains(Polytope(normals, offsets), probes)]
            if len(inside):
                assert low[t, i] == pytest.approx(inside.min(), abs=2e-3)
                assert high[t, i] == pytest.approx(inside.max(), abs=2e-3)
            else:
                empty += 1
                assert np.isnan(low[t, i]) or high[t, i] - low[t, i] < 2e-3
    assert empty > 0


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor", "energy"])
def test_boundary_starts_are_inside_with_no_way_further(name, task_of):
    task = task_of(name, "compiled")
    rows = Polytope(task.safe_set.normals, task.safe_set.offsets)
    inner = task.starts[0]
    x = rollout.boundary_point(task, inner, jax.random.key(1))
    assert contains(rows, x)
    assert not contains(rows, inner + (1 + 1e-5) * (x - inner))


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor"])
def test_units_follow_from_the_joints(name, task_of):
    expected = {
        "pendulum": ("rad", "rad/s"),
        "cartpole": ("m", "rad", "m/s", "rad/s"),
        "quadrotor": ("m", "m", "rad", "m/s", "m/s", "rad/s"),
    }
    assert traces.units(task_of(name, "compiled")) == expected[name]
    assert traces.units(task_of("energy")) == ("kWh", "°C", "°C")


def test_frames_are_in_real_time_where_humans_can_follow():
    assert animate.frame_indices(100, 0.05, 20) == list(range(101))
    assert animate.frame_indices(240, 0.02, 25)[:3] == [0, 2, 4]
    hours = animate.frame_indices(720, 3600.0, 20)
    assert len(hours) <= 242
    assert hours[-1] == 720


def test_the_animation_shows_every_frame_with_its_state(rollouts, task_of, tmp_path):
    task = task_of("pendulum", "compiled")
    columns = [Column(name, found, None) for name, found in rollouts.items()]
    indices = list(range(0, STEPS + 1, 8))
    view = picture.view_of(task.dynamics.model, rollouts["none"].states[:, :1])
    path = tmp_path / "rollout.gif"
    animate.save(task, columns, view, indices, 10, path)
    with Image.open(path) as image:
        assert image.n_frames == len(indices)
        assert image.info["duration"] == 100
    assert list(tmp_path.iterdir()) == [path]

    figure, parts = scene.compose(task, columns, view, indices)
    show(parts, indices, len(indices) - 1)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert f"outside limits {rollouts['none'].counters.violations} " in texts[0]
    assert texts[1].endswith(f"interventions {rollouts['ray-mask'].counters.interventions}")
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"theta\n[rad]", "thetadot\n[rad/s]", "torque\n(scaled)"} <= labels


@pytest.mark.parametrize(
    "name", ["ray-mask", "./folder/a-safeguard-of-my-own.with-a-long-name+regularised+and-more.py"]
)
def test_headings_stay_inside_their_column(name, rollouts, task_of):
    """Above a narrow scene too: no text of two columns is cut at the edge or runs into the other's."""
    columns = [Column("none", rollouts["none"], None), Column(name, rollouts["ray-mask"], None)]
    narrow = picture.View(
        np.array([[1.0, 0], [0, 0], [0, 1.0]]), np.array([-0.25, -1.2]), np.array([0.25, 1.2])
    )
    indices = list(range(0, STEPS + 1, 8))
    with styled():
        figure, parts = scene.compose(task_of("pendulum", "compiled"), columns, narrow, indices)
        tops = [axes for axes in figure.axes if axes.texts]
        for frame in range(len(indices)):
            show(parts, indices, frame)
            for number, axes in enumerate(tops):
                for text in (axes.texts[0], axes._left_title):
                    box = text.get_window_extent()
                    assert number * figure.bbox.width / 2 <= box.x0
                    assert box.x1 <= (number + 1) * figure.bbox.width / 2
    assert [axes._left_title.get_text() for axes in tops] == ["none", name]
    assert (
        tops[0].texts[0].get_window_extent().x1 > tops[0].get_window_extent().x1
    )  # the scene is that narrow


def test_play_from_the_command_line(tmp_path, safebench):
    out = tmp_path / "new" / "rollout.gif"
    code, output, error = safebench(
        *"play -t pendulum -g none -g ray-mask --physics compiled --start boundary --steps 8".split(),
        *("--draw", "matplotlib", "--out", str(out)),
    )
    assert code == 0, error
    with Image.open(out) as image:
        assert image.n_frames == 9
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.strip()}
    violations, departures = (int(rows["ray-mask"][i]) for i in (1, 2))
    assert violations == departures == 0
    assert int(rows["none"][2]) > 0


def test_a_still_without_a_plane_is_the_last_frame(rollouts, task_of, tmp_path):
    task = task_of("pendulum", "compiled")
    columns = [Column(name, found, None) for name, found in rollouts.items()]
    view = picture.view_of(task.dynamics.model, rollouts["none"].states[:, :1])
    still.save(task, columns, view, tmp_path / "rollout.png")
    with Image.open(tmp_path / "rollout.png") as image:
        drawn = np.asarray(image.convert("RGB"))
    figure, _ = scene.compose(task, columns, view, [STEPS])
    assert drawn.shape[1] == pytest.approx(1.5 * figure.bbox.width, abs=2)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert f"outside limits {rollouts['none'].counters.violations} " in texts[0]
    assert (drawn != 255).mean() > 0.05


@pytest.mark.slow
def test_a_trained_policy_is_played(tmp_path, safebench):
    code, _, error = safebench(
        "run", *tiny_cells.ARGUMENTS, "-g", "ray-mask", "--checkpoint", "--out", str(tmp_path)
    )
    assert code == 0, error
    found = tmp_path / "pendulum" / "ray-mask--shac.json"
    folder = tmp_path / "pendulum" / "ray-mask--shac.checkpoint"
    played = []
    for source, seed in ((found, 0), (folder, 1)):
        options = ["--seed", str(seed), "--steps", "10", "--no-animation"]
        code, output, error = safebench("play", str(source), *options)
        assert code == 0, error
        assert f"shac, seed {seed} policy" in output
        played += [line.split() for line in output.splitlines() if line.strip().startswith("ray-mask")]
    assert len(played) == 2
    assert played[0][1] != played[1][1]  # the seeds' returns
    code, _, error = safebench("play", str(folder), "--seed", "2")
    assert (code, "no seed 2" in error) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-t pendulum -g none --out rollout.avi", "a .gif or an .mp4"),
        ("-t pendulm -g none", "Did you mean 'pendulum'"),
        ("-t pendulum -g non", "Did you mean 'none'"),
        ("-t cartpole -g none --physics compiled --start reference --no-animation", "has no reference start"),
        ("/nowhere/ray-mask--shac.json", "/nowhere"),
        ("results/quick/pendulum/ray-mask--shac.json", "no checkpoint beside it"),
        ("", "what to play"),
        ("-t pendulum", "needs a safeguard"),
        ("results/quick -t pendulum -g none", "either"),
        ("results/quick", "is no checkpoint"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(arguments, message, safebench, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    code, _, error = safebench("play", *arguments.split())
    assert code == 2, error
    assert message in error
    assert "Traceback" not in error


def test_mp4_without_ffmpeg_names_the_gif(monkeypatch, tmp_path):
    monkeypatch.setattr(animate.FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(ValueError, match=r"needs ffmpeg.*choose a \.gif"):
        animate.check_format(tmp_path / "rollout.mp4")


@pytest.mark.slow
def test_the_goal_of_a_mechanism_is_drawn_over_it(task_of):
    task = task_of("arm2", "compiled")
    env = env_of(task, "ray-mask")
    act = rollout.random_actions(2, 5, jax.random.key(7))
    found = rollout.roll_out(env, act, rollout.begin(env, "random", jax.random.key(3)), 5)
    (goal,) = found.pictures.goals[0]
    view = picture.view_of(task.dynamics.model, found.states[:, :2], goal[None])
    figure, _ = scene.compose(task, [Column("ray-mask", found, None)], view, [0, 5])
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    assert [tuple(line.get_xydata()[0]) for line in stars] == [pytest.approx(tuple(goal))]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "goal"


def test_a_player_of_nothing_known_fails_early():
    with pytest.raises(LookupError, match="Did you mean 'cartpole'"):
        player.untrained("cartpol", ["none"], "zero", "compiled")
