"""The plane of a task whose safe set moves: what is rolled out, where the set is, and what is drawn of it."""

import functools

import corridor_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.spatial import ConvexHull, HalfspaceIntersection

from safebench.commands import animate, bodies, draw, plane, player, scene, section, still
from safebench.commands.column import INTERVENES, OUTSIDE, Column, show
from safebench.env import rollout, safe_set
from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.report.style import styled
from safebench.runs import presets

STEPS = 70
NAMES = ("none", "ray-mask")


def env_of(name):
    _, module, config = presets.resolve(name)
    return Env(corridor_task.make(), module.make(config))


def straight(step, observation):
    """At nearly the greatest speed straight for the goal, whatever is in the way."""
    return jnp.clip(2 * (jnp.clip(observation[4:6], -0.9, 0.9) - observation[2:4]), -1, 1)


@functools.cache
def rolled(name):
    env = env_of(name)
    return rollout.roll_out(env, straight, rollout.begin(env, "random", jax.random.key(1)), STEPS)


def columns():
    return [Column(name, rolled(name), None) for name in NAMES]


def corridor_at(found, t):
    return Corridor(found.corridors.low[t], found.corridors.high[t])


def test_without_a_safeguard_the_point_hits_a_disc_in_the_same_scene():
    unguarded, guarded = rolled("none"), rolled("ray-mask")
    for part in ("obstacles", "goals"):
        for ours, theirs in zip(
            *(jax.tree.leaves(getattr(r.pictures, part)) for r in (unguarded, guarded)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(unguarded.states[0], guarded.states[0])
    assert unguarded.counters.violations > 0
    assert guarded.counters.violations == guarded.counters.departures == 0
    # The pictures say the same of both: the discs are the obstacles that the counters mean.
    for found in (unguarded, guarded):
        discs, body = found.pictures.obstacles, found.pictures.bodies
        apart = np.linalg.norm(body.centre - discs.centre, axis=-1) - discs.radius
        box = np.abs(found.states) > corridor_task.CONSTRAINTS.upper
        broken = (apart < 0).any(axis=1) | box.any(axis=1)
        np.testing.assert_array_equal(broken[1:], found.safety.violations > 0)


def test_goals_are_reached_when_the_states_say_so():
    unguarded, guarded = rolled("none"), rolled("ray-mask")
    apart = np.linalg.norm(unguarded.states[:, :2] - unguarded.pictures.goals[:, 0], axis=1)
    first = np.flatnonzero(apart <= corridor_task.GOAL_RADIUS)[0]
    assert unguarded.arrivals == pytest.approx([first * corridor_task.PERIOD])
    assert np.isnan(guarded.arrivals).all()  # a disc is in the way


def test_the_bands_move_with_the_corridor():
    found, made = rolled("ray-mask"), corridor_task.moving_set()
    assert np.ptp(found.corridors.low, axis=0).max() > 0.1
    for t in (0, 20, STEPS):
        corridor = corridor_at(found, t)
        for i in range(4):
            for bound, outwards in ((found.state_low[t, i], -1), (found.state_high[t, i], 1)):
                x = found.states[t].copy()
                x[i] = bound - 1e-6 * outwards
                assert safe_set.contains(made, jnp.asarray(x), corridor)
                x[i] = bound + 1e-6 * outwards
                assert not safe_set.contains(made, jnp.asarray(x), corridor)
    assert (found.action_low - 1e-9 <= found.applied).all()
    assert (found.applied <= found.action_high + 1e-9).all()
    # The first corridor's set is another one than the last's.
    assert not safe_set.contains(made, jnp.asarray(found.states[-1]), corridor_at(found, 0))


def test_a_boundary_start_keeps_its_scene_and_corridor():
    env, made = env_of("none"), corridor_task.moving_set()
    inner, begun = (rollout.begin(env, start, jax.random.key(4)) for start in ("random", "boundary"))
    for ours, theirs in zip(
        jax.tree.leaves((inner.context, inner.corridor)),
        jax.tree.leaves((begun.context, begun.corridor)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert safe_set.contains(made, begun.x, begun.corridor)
    beyond = inner.x + (1 + 1e-5) * (begun.x - inner.x)
    assert not safe_set.contains(made, beyond, begun.corridor)


def test_clipping_against_another_algorithm():
    rng = np.random.default_rng(0)
    for _ in range(20):
        normals, offsets = rng.normal(size=(12, 2)), rng.uniform(0.2, 1.0, 12)
        corners = section.clipped(normals, offsets, np.array([-1.0, -1.5]), np.array([1.2, 1.0]))
        box = np.array([[1, 0, -1.2], [-1, 0, -1], [0, 1, -1], [0, -1, -1.5]])
        half_spaces = np.vstack([np.hstack([normals, -offsets[:, None]]), box])
        expected = ConvexHull(HalfspaceIntersection(half_spaces, np.zeros(2)).intersections)
        around = corners - np.roll(corners, 1, axis=0)
        area = 0.5 * abs(np.cross(corners, around).sum())
        assert area == pytest.approx(expected.volume)
        assert corners.min(axis=0) == pytest.approx(expected.min_bound)
        assert corners.max(axis=0) == pytest.approx(expected.max_bound)
    nothing = section.clipped(np.array([[1.0, 0], [-1.0, 0]]), np.array([-0.5, 0.2]), -np.ones(2), np.ones(2))
    assert nothing.shape == (0, 2)


def test_the_section_is_where_the_point_may_be_at_its_velocity():
    found, made = rolled("ray-mask"), corridor_task.moving_set()
    inside = outside = 0
    rng = np.random.default_rng(0)
    for t in (1, 15, 40):
        corridor, x = corridor_at(found, t), found.states[t]
        corners = section.of_body(made, x, corridor, 0, x[:2])
        hull = ConvexHull(corners).equations
        for place in rng.uniform(corners.min(axis=0) - 0.2, corners.max(axis=0) + 0.2, (60, 2)):
            distance = (hull[:, :2] @ place + hull[:, 2]).max()
            if abs(distance) > 1e-6:
                there = jnp.asarray(np.concatenate([place, x[2:]]))
                assert bool(safe_set.contains(made, there, corridor)) == (distance < 0)
                inside, outside = inside + (distance < 0), outside + (distance > 0)
    assert min(inside, outside) > 20
    # Out of the set because of its speed: nowhere.
    fast = np.array([*found.states[1, :2], 1.5, 0.0])
    assert len(section.of_body(made, fast, corridor_at(found, 1), 0, fast[:2])) == 0


def test_the_plane_shows_discs_box_section_ways_and_violations():
    task = corridor_task.make()
    seen = plane.window(task, [rolled(name) for name in NAMES])
    assert (seen.walls[1] == corridor_task.ARENA).all()
    assert (seen.low < seen.walls[0]).all()
    with styled():
        figure = still.whole(task, columns(), seen)
    unguarded, guarded = figure.axes
    for axes, name in ((unguarded, "none"), (guarded, "ray-mask")):
        found = rolled(name)
        assert axes._left_title.get_text() == name
        lines = {line.get_color(): line for line in axes.lines if line.get_linestyle() == "-"}
        for colour, steps in ((OUTSIDE, found.safety.violations > 0), (INTERVENES, found.intervened)):
            drawn = np.isfinite(lines[colour].get_xdata()).sum() / 2
            assert drawn == steps.sum()
    assert f"violations {rolled('none').counters.violations} " in unguarded.texts[0].get_text()
    assert "goal after" in unguarded.texts[0].get_text()
    assert "goal after" not in guarded.texts[0].get_text()
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"obstacle", "goal", "free box", "violation (obstacle or limit)", "safeguard intervenes"} <= labels
    assert unguarded.get_xlabel() == "x [m]"
    # What moves is where it is at the end.
    axes = figure.add_subplot()
    drawn = bodies.add(axes, task, rolled("ray-mask"), ["blue"])
    bodies.put(drawn, task, rolled("ray-mask"), STEPS)
    low, high = safe_set.free_box(corridor_task.moving_set(), corridor_at(rolled("ray-mask"), STEPS))
    assert drawn.boxes[0].get_xy() == pytest.approx(tuple(low))
    assert drawn.boxes[0].get_width() == pytest.approx(high[0] - low[0])
    assert drawn.discs[0].center == pytest.approx(rolled("ray-mask").states[-1, :2])


def test_nothing_overlaps_and_titles_stay_in_their_columns():
    task = corridor_task.make()
    seen = plane.window(task, [rolled(name) for name in NAMES])
    with styled():
        figure = still.whole(task, columns(), seen)
        figure.canvas.draw()
        legend = figure.legends[0].get_window_extent()
        for number, axes in enumerate(figure.axes):
            assert axes.get_tightbbox().y0 > legend.y1
            for text in (axes.texts[0], axes._left_title):
                box = text.get_window_extent()
                assert number * figure.bbox.width / 2 <= box.x0
                assert box.x1 <= (number + 1) * figure.bbox.width / 2
                assert axes.get_window_extent().y1 < box.y0 + 3
                assert box.y1 <= figure.bbox.y1
            width, height = axes.get_window_extent().size / (seen.high - seen.low)
            assert width == pytest.approx(height)


def test_an_animation_has_traces_below_the_plane_and_a_crowd_has_none(tmp_path, monkeypatch):
    task, indices, shown = corridor_task.make(), [0, STEPS], columns()[1:]
    seen = plane.window(task, [column.rollout for column in shown])
    figure, parts = scene.compose(task, shown, seen, indices)
    assert len(figure.axes) == 1 + 4 + 2
    way = next(line for line in figure.axes[0].lines if line.get_color() == INTERVENES)
    lengths = []
    for frame in (0, 1):
        show(parts, indices, frame)
        lengths.append(np.isfinite(way.get_xdata()).sum() / 2)
    assert lengths == [0, shown[0].rollout.intervened.sum()]
    monkeypatch.setattr(scene, "MOST_TRACES", 5)
    path = tmp_path / "rollout.gif"
    animate.save(task, shown, seen, indices, 10, path)
    with Image.open(path) as image:
        assert image.n_frames == 2
        assert image.width == pytest.approx(5 * scene.DPI, abs=1)
        assert image.height < 600  # the plane alone


@pytest.mark.parametrize("suffix", still.FORMATS)
def test_stills_are_files_of_their_kind(suffix, tmp_path):
    task = corridor_task.make()
    path = tmp_path / f"ways{suffix}"
    still.save(task, columns()[:1], plane.window(task, [rolled("none")]), path)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_safe_actions_are_drawn_at_places_in_moving_sets():
    task = corridor_task.make()
    at = draw.places(task, range(3, 5))
    assert jax.vmap(functools.partial(safe_set.contains, task.safe_set))(at.x, at.corridor).all()
    shares, _ = draw.safe_shares(task, at)
    assert (shares > 0).all()
    assert np.ptp(at.corridor.high - at.corridor.low) > 0


def test_several_checkpoints_play_in_one_scene_only_if_they_are_alike(tmp_path, monkeypatch):
    described = {
        name: player.checkpoint.Description(
            1, "s", task, 1, "none", "shac", (0,), 1, physics, "float64", {}, {}, "0" * 64, (0.0,)
        )
        for name, task, physics in (
            ("a", "seeker", "mjx"),
            ("b", "crowd", "mjx"),
            ("c", "seeker", "compiled"),
        )
    }
    monkeypatch.setattr(player.checkpoint, "find", lambda source: source)
    monkeypatch.setattr(player.checkpoint, "load", described.get)
    monkeypatch.setattr(player, "trained", lambda *_: pytest.fail("played"))
    for sources, message in (
        (("a", "b"), "task crowd, but seeker"),
        (("a", "c"), "physics compiled, but mjx"),
    ):
        with pytest.raises(ValueError, match=message):
            player.choose(sources, None, (), "random", "mjx", 0)
    with pytest.raises(ValueError, match="leave out -g"):
        player.choose(("a", "a"), None, ("none",), "random", "mjx", 0)


def test_players_side_by_side_keep_their_own_policies():
    task, envs = corridor_task.make(), [env_of(name) for name in NAMES]
    acts = [lambda step, observation: jnp.ones(2), lambda step, observation: -jnp.ones(2)]
    each = [
        player.Player(task, (name,), (env,), (f"{name}'s",), (act,))
        for name, env, act in zip(NAMES, envs, acts, strict=True)
    ]
    both = player.together(each)
    assert (both.safeguards, both.policies) == (NAMES, ("none's", "ray-mask's"))
    assert [float(act(0, None)[0]) for act in both.acts_for(3, jax.random.key(0))] == [1.0, -1.0]
