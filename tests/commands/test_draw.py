"""The figure of what safeguards do to the actions at one state."""

import contextlib

import jax
import numpy as np
import pytest
from PIL import Image
from synthetic_action_sets import random_sets

from safebench import registry
from safebench.commands import draw, draw_safeguards


def safeguards(*names):
    return {name: registry.load("safeguard", name).make() for name in names}


@pytest.mark.parametrize("m", [1, 2])
def test_figures_are_drawn_from_the_safeguards(m, tmp_path):
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, m))
    figure = draw_safeguards.draw(actions, safeguards("none", "ray-mask"))
    panels = [axes for axes in figure.axes if axes.get_title()]
    if m == 1:
        curves = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
        assert np.allclose(curves["none"], np.linspace(-1, 1, 801))
        masked = curves["ray-mask"][np.isfinite(curves["ray-mask"])]
        assert (np.outer(actions.normals[:, 0], masked) <= np.asarray(actions.offsets)[:, None]).all()
        assert np.ptp(masked) > 0
    else:
        assert [axes.get_title() for axes in panels] == ["none", "ray-mask"]
    draw_safeguards.draw(actions, safeguards("ray-mask"), tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 5000


def test_drawing_refuses_what_it_cannot_draw():
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 3))
    with pytest.raises(ValueError, match="not 3"):
        draw_safeguards.draw(actions, safeguards("none"))
    with pytest.raises(ValueError, match="no safeguard"):
        draw_safeguards.draw(jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 2)), {})


def test_panels_with_nothing_below_have_labels():
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 2))
    (guard,) = safeguards("none").values()
    names = ("one", "two", "three", "four")
    figure = draw_safeguards.draw(actions, dict.fromkeys(names, guard), inputs=("thrust", "roll"))
    labels = {axes.get_title(): axes.get_xlabel() for axes in figure.axes if axes.get_title()}
    assert labels == {name: "" if name == "one" else "thrust (scaled)" for name in names}


def test_many_curves_are_told_apart():
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 1))
    (guard,) = safeguards("none").values()
    lines = draw_safeguards.draw(actions, {f"variant {index}": guard for index in range(9)}).axes[0].lines
    looks = {(line.get_color(), line.get_linestyle()) for line in lines if "variant" in line.get_label()}
    assert len(looks) == 9


@pytest.mark.parametrize("name", ["pendulum", "energy"])
def test_the_state_drawn_by_default_is_one_where_safeguards_have_something_to_do(name, task_of):
    task = task_of(name, "compiled")
    number = draw.telling(task)
    (share,), actions = draw.safe_shares(task, draw.places(task, range(number, number + 1)))
    assert share == pytest.approx(1 / 3, abs=0.05)
    if name == "pendulum":
        normals, offsets = np.asarray(actions.normals)[0, :, 0], np.asarray(actions.offsets)[0]
        high = min(offsets[normals > 0] / normals[normals > 0])
        low = max(offsets[normals < 0] / normals[normals < 0])
        assert (high - low) / 2 == pytest.approx(share, abs=0.05)


def test_draw_from_the_command_line(tmp_path, safebench):
    out = tmp_path / "new" / "figure.png"
    code, output, error = safebench(*f"draw -t energy -g ray-mask -g none --state 5 --out {out}".split())
    assert code == 0, error
    assert "energy, start 5 (soc = " in output
    with Image.open(out) as image:
        assert image.width > 1000
    assert list(out.parent.iterdir()) == [out]


def test_by_default_six_safeguards_are_drawn(tmp_path, safebench, monkeypatch):
    drawn = []
    monkeypatch.setattr(draw_safeguards, "draw", lambda actions, *rest: drawn.append(rest))
    monkeypatch.setattr(draw.atomic, "replacing", lambda path: contextlib.nullcontext(path))
    code, _, error = safebench("draw", "-t", "pendulum", "--out", str(tmp_path / "figure.svg"))
    assert code == 0, error
    ((guards, _, names),) = drawn
    assert tuple(guards) == draw.SHOWN
    assert names == ("torque",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-t pendulm", "Did you mean 'pendulum'"),
        ("-t pendulum -g non", "Did you mean 'none'"),
        ("-t pendulum --state 8192", "has no start 8192, only 0 to 8191"),
        ("-t pendulum --out figure.jpg", "a .png, .svg or .pdf"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(arguments, message, safebench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = safebench("draw", *arguments.split())
    assert code == 2, error
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_task_with_too_many_actions_is_refused_at_once(tmp_path, safebench, monkeypatch):
    monkeypatch.setattr(draw_safeguards, "MOST_INPUTS", 1)
    monkeypatch.setattr(draw, "telling", lambda task: pytest.fail("searched for a state"))
    code, _, error = safebench("draw", "-t", "quadrotor", "--out", str(tmp_path / "figure.png"))
    assert code == 2
    assert "only sets of one or two inputs can be drawn, not 2" in error
