"""The live table: what it says of cells, on a terminal and without one."""

import io
import math

import pytest
from rich.console import Console
from tiny_cells import result_of, snapshot, tiny

from safebench.runs import live
from safebench.runs.events import Event
from safebench.runs.live import Row, advance

A, B, C = tiny("ray-mask"), tiny("none"), tiny("boundary-projection")


def after(*timed, cell=A):
    row = Row(cell)
    for now, event in timed:
        row = advance(row, event, now)
    return row


def drawn(rows, now=100.0, height=40, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(live.render(rows, now, height))
    return console.file.getvalue()


def test_a_cell_goes_through_its_states():
    compiling = after((10, Event(A, "compiling")))
    assert (compiling.state, compiling.started, live.rate(compiling)) == ("compiling", 10, None)
    training = advance(compiling, Event(A, "training", snapshot(20, seconds=5)), 20)
    assert live.rate(training) == 20 * 2 / 5
    assert live.left(training, 20) == 20  # 20 interactions took 5 s, 80 are to be done
    assert live.left(training, 23) == 17
    assert live.left(training, 99) == 0
    done = advance(training, Event(A, "done", result=result_of(A)), 60)
    assert (done.state, live.left(done, 60)) == ("done", None)


def test_a_lost_worker_starts_the_cell_anew():
    row = after(
        (1, Event(A, "compiling")), (2, Event(A, "training", snapshot(50))), (3, Event(A, "retrying"))
    )
    assert (row.state, row.snapshot, row.retries) == ("retrying", None, 1)
    row = advance(row, Event(A, "compiling"), 7)
    assert (row.state, row.started, row.retries) == ("compiling", 7, 1)
    assert "try 2" in drawn([row])


def test_time_left_overall_counts_the_waiting_and_what_runs_at_once():
    trained = after((0, Event(A, "compiling")), (20, Event(A, "training", snapshot(20, of=40, seconds=20))))
    waiting = Row(B)
    one_second_each = B.interactions
    assert live.all_left([trained], 20) == 20
    assert live.all_left([trained, waiting], 20) == 20 + one_second_each
    other = advance(Row(C), Event(C, "compiling"), 20)
    assert live.all_left([trained, other], 20) == (20 + one_second_each) / 2
    assert live.all_left([waiting], 20) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (100 * 3600, "4 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert live.duration(seconds) == text


def test_the_table_says_it_all():
    rows = [
        after((0, Event(A, "compiling")), (50, Event(A, "training", snapshot(50, seconds=40, mean=-12.345)))),
        Row(B),
        after((0, Event(C, "failed", problem="boom")), cell=C),
    ]
    text = drawn(rows, now=50.0)
    assert "pendulum/ray-mask--shac" in text
    assert "-12.35" in text or "-12.34" in text
    assert "40 s" in text  # left
    for state in ("training", "waiting", "failed"):
        assert state in text
    assert "3 cells: 1 waiting, 1 training, 1 failed" in text
    assert "left" in text.splitlines()[-1]


def test_a_return_that_is_not_a_number_is_left_out():
    assert "nan" not in drawn([after((0, Event(A, "training", snapshot(50, mean=math.nan))))])


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    rows = [after((0, Event(A, "training", snapshot(50)))), Row(tiny("ray-mask-hyperbolic+regularised"))]
    assert max(len(line) for line in drawn(rows, width=width).splitlines()) <= width


def with_skipped(count):
    known = snapshot(50, seconds=40, mean=-12.345)
    return known._replace(evaluated=known.evaluated._replace(skipped=count))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_nothing_is_cut_at_any_width(width):
    rows = [
        after((0, Event(A, "compiling")), (50, Event(A, "training", with_skipped(1234)))),
        Row(tiny("ray-mask-hyperbolic+regularised")),
    ]
    text = drawn(rows, now=50.0, width=width)
    assert "…" not in text
    assert "..." not in text
    assert max(map(len, text.splitlines())) <= width
    joined = "".join(text.split())
    for part in ("ray-mask-hyperbolic+regularised--shac", "training", "-12.3", "1,234", "40s", "waiting"):
        assert part in joined
    for heading in ("return", "skipped", "left"):
        assert heading in joined


@pytest.mark.parametrize("height", [6, 8, 12])
def test_a_small_and_narrow_terminal_is_not_overrun(height):
    rows = [Row(tiny(seeds=n + 1), "training", snapshot(10)) for n in range(30)]
    assert len(drawn(rows, width=40, height=height).splitlines()) <= max(height, 9)


def test_skipped_updates_are_shown_where_there_are_any():
    for count, said in ((0, False), (17, True)):
        row = after((0, Event(A, "compiling")), (50, Event(A, "training", with_skipped(count))))
        assert ("skipped" in drawn([row])) == said
        text = live.line(row, Event(A, "training", with_skipped(count)))
        assert ("17 updates skipped" in text) == said
    done = advance(row, Event(A, "done", result=result_of(A)), 60)
    assert "17 updates skipped" in live.line(done, Event(A, "done", result=result_of(A)))


@pytest.mark.parametrize(("share", "said"), [(math.nan, ""), (0.0, "0 %"), (0.9688, "97 %"), (1.0, "100 %")])
def test_success_is_shown_where_a_task_has_a_goal(share, said):
    event = Event(A, "training", snapshot(50, success=share))
    row = after((0, Event(A, "compiling")), (50, event))
    shown, text = drawn([row]), live.line(row, event)
    assert ("success" in shown) == ("success" in text) == bool(said)
    assert said in shown
    assert not said or f", success {said}, " in text


def test_a_task_without_a_goal_beside_one_with_a_goal_has_an_empty_cell():
    rows = [after((0, Event(A, "training", snapshot(50, success=0.5)))), Row(B, "training", snapshot(50))]
    lines = drawn(rows).splitlines()
    assert "success" in lines[0]
    assert ["50 %" in line for line in lines[1:3]] == [True, False]
    assert "nan" not in drawn(rows)


def test_a_small_terminal_shows_what_runs():
    cells = [tiny(seeds=n + 1) for n in range(30)]
    rows = [Row(cell, "done", updated=n) for n, cell in enumerate(cells[:10])]
    rows += [Row(cell, "training", snapshot(10)) for cell in cells[10:12]]
    rows += [Row(cells[12], "failed")] + [Row(cell) for cell in cells[13:]]
    shown, hidden = live.select(rows, 6)
    assert [row.state for row in shown] == ["training", "training", "failed", "waiting", "waiting"]
    assert hidden == "not shown: 15 waiting, 10 done"
    assert len(drawn(rows, height=12).splitlines()) <= 12
    ended = [Row(cell, "done", updated=n) for n, cell in enumerate(cells)]
    assert [row.updated for row in live.select(ended, 4)[0]] == [27, 28, 29]


def test_without_a_terminal_lines_come_now_and_then(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    console = Console(file=io.StringIO(), width=60)
    with live.table([A, B], set(), console) as show:
        show(Event(A, "compiling"))
        for second in range(1, 100):
            clock[0] = float(second)
            show(Event(A, "training", snapshot(second)))
        show(Event(A, "done", result=result_of(A)))
        show(Event(B, "retrying", problem="its worker died (SIGKILL)"))
        show(Event(B, "failed", problem="[odd] words"))
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "pendulum/ray-mask--shac: compiling"
    training = [line for line in lines if "training" in line]
    assert len(training) == 3
    assert training[0] == (
        "pendulum/ray-mask--shac: training 30 %, return -10.00, 2 steps/s, 1 min 10 s left"
    )
    assert lines[-3] == "pendulum/ray-mask--shac: done in 1 min 39 s, return -10.00, 2 steps/s"
    assert lines[-2] == "pendulum/none--shac: retrying: its worker died (SIGKILL)"
    assert lines[-1] == "pendulum/none--shac: failed: [odd] words"


def test_the_table_lives_on_a_terminal():
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True)
    with live.table([A, B], {B}, console) as show:
        show(Event(A, "compiling"))
        show(Event(A, "training", snapshot(50, mean=-77.0)))
    assert "-77.00" in console.file.getvalue()
    assert "skipped" in console.file.getvalue()
