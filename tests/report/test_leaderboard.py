"""The leaderboard: who is ranked, who is kept off, and a page that a stranger's file cannot break."""

import base64
import dataclasses
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import jsonschema
import pytest
from synthetic_results import make, of_version_2

from safebench.record import files, result, schema, submission
from safebench.record.strict_json import build, plain
from safebench.report import leaderboard, page
from safebench.report.board import Leaderboard

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
EVIL = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>"


def cells():
    small = {"points": 4, "seeds": 3}
    ours = [
        make(safeguard="none", final=-9.0, **small),
        make(safeguard="ray-mask", final=-8.4, **small),
        make(safeguard="boundary-projection", final=-8.6, **small),
        make(task="quadrotor", safeguard="ray-mask", final=-150.0, **small),
        make(task="quadrotor", safeguard="ray-mask", learner="ppo", final=-390.0, **small),
        make(safeguard="ray-mask-hyperbolic", settings=result.Settings(False, ("learner.gamma",)), **small),
    ]
    # A stranger's command line: text that must never become markup.
    provenance = dataclasses.replace(ours[1].provenance, command=EVIL, device=EVIL[:190])
    ours[1] = dataclasses.replace(ours[1], provenance=provenance)
    return ours


@pytest.fixture
def folder(tmp_path):
    for cell in cells():
        path = files.cell_path(tmp_path / cell.suite, cell.task.name, cell.safeguard.name, cell.learner.name)
        files.write(cell, path)
    leaderboard.write(tmp_path)
    return tmp_path


def test_ranks_count_certified_entries_of_a_task_by_return():
    board = leaderboard.make(cells())
    ranks = {(e.task, e.safeguard, e.learner): e.rank for e in board.entries}
    assert ranks == {
        ("pendulum", "ray-mask", "shac"): 1,
        ("pendulum", "boundary-projection", "shac"): 2,
        ("pendulum", "none", "shac"): None,
        ("quadrotor", "ray-mask", "shac"): 1,
        ("quadrotor", "ray-mask", "ppo"): 2,
    }


def test_what_is_not_standard_or_contradicts_itself_is_kept_off_with_a_note():
    honest = make(safeguard="ray-mask", seeds=2)
    run = honest.runs[0]
    edited = dataclasses.replace(run, final=dataclasses.replace(run.final, return_mean=0.0))
    cheat = dataclasses.replace(honest, runs=(edited, honest.runs[1]))
    assert list(submission.consistency(cheat))
    changed = make(safeguard="none", settings=result.Settings(False, ("learner.gamma",)))
    board = leaderboard.make([cheat, changed])
    assert board.entries == ()
    assert any("learner.gamma" in line for line in board.left_out)
    assert any("final.return_mean" in line for line in board.left_out)


def test_the_larger_of_two_results_of_one_cell_is_shown():
    board = leaderboard.make([make(seeds=2, suite="quick"), make(seeds=4, suite="paper")])
    assert [(entry.seeds, entry.suite) for entry in board.entries] == [(4, "paper")]
    assert board.left_out == ("pendulum/ray-mask--shac (quick): shown from suite paper",)


def test_diverged_seeds_are_shown_and_rank_last():
    cell = make(safeguard="ray-mask", seeds=3)
    curves = [
        dataclasses.replace(run.curve, return_mean=(*run.curve.return_mean[:-1], None)) for run in cell.runs
    ]
    runs = tuple(result.make_run(run.seed, curve) for run, curve in zip(cell.runs, curves, strict=True))
    diverged = dataclasses.replace(cell, runs=runs, non_finite_seeds=(0, 1, 2))
    board = leaderboard.make([diverged, make(safeguard="boundary-projection", seeds=3)])
    assert [(entry.safeguard, entry.rank) for entry in board.entries] == [
        ("boundary-projection", 1),
        ("ray-mask", None),
    ]
    assert board.entries[1].return_iqm is None
    assert board.entries[1].diverged_seeds == 3
    assert "diverged" in leaderboard.markdown(board)


def failing(cell, *seeds):
    """The cell with every update of some seeds skipped."""
    runs = tuple(
        result.make_run(
            run.seed,
            dataclasses.replace(
                run.curve, skipped=run.curve.updates if run.seed in seeds else run.curve.skipped
            ),
        )
        for run in cell.runs
    )
    return dataclasses.replace(cell, runs=runs)


def test_a_seed_whose_every_update_was_skipped_keeps_its_cell_off():
    cell = make(safeguard="ray-mask", seeds=3)
    board = leaderboard.make([failing(cell, 0, 2), make(safeguard="boundary-projection", seeds=3)])
    assert [entry.safeguard for entry in board.entries] == ["boundary-projection"]
    assert board.entries[0].skipped == 0
    assert board.left_out == ("pendulum/ray-mask--shac (quick): every update of seeds 0, 2 was skipped",)
    assert len(leaderboard.make([cell]).entries) == 1  # the control


def test_goals_have_columns_on_the_task_that_has_one():
    small = {"points": 4, "seeds": 3}
    cells = [
        make(success=0.75, **small),
        make(safeguard="none", success=1.0, **small),
        make(task="quadrotor", **small),
    ]
    board = leaderboard.make(cells)
    ours, unguarded, other = board.entries
    assert (ours.success_iqm, ours.success_low, ours.success_high) == (0.75, 0.75, 0.75)
    assert (ours.time_to_goal, ours.violated_iqm) == (6.5, 0)
    assert ours.switches == cells[0].counted.switches > 0
    assert (unguarded.success_iqm, unguarded.violated_iqm) == (1.0, 1 / 64)
    assert (other.success_iqm, other.time_to_goal, other.violated_iqm, other.switches) == (None, None, 0, 0)
    first, second = leaderboard.markdown(board).split("## quadrotor")
    assert "| success % [95 %] | time to goal s | violated % |" in first
    assert " | 75.0 | 6.50 | 0.0 | " in first
    assert " | 100.0 | 6.00 | 1.6 | " in first
    assert "success" not in second.split("Violations and")[0]
    assert "Success" not in leaderboard.markdown(leaderboard.make(cells[2:]))
    assert {line.count("|") for line in first.splitlines() if line.startswith("|")} == {13}
    assert "| skipped | physics | s/1000 |" in first


def test_an_older_result_says_nothing_of_goals_and_switches():
    (entry,) = leaderboard.make([of_version_2(make(seeds=2))]).entries
    assert (entry.violated_iqm, entry.switches, entry.success_iqm) == (None, None, None)


def test_certificates_are_held_against_the_known_ones():
    cell, plugin = make(seeds=3), make(task="my-task", seeds=3)
    known = {"pendulum": frozenset({cell.certificate.sha256})}
    board = leaderboard.make([cell, plugin], known=known)
    assert [entry.task for entry in board.entries] == ["pendulum"]
    assert "task 'my-task' is not installed here" in board.left_out[0]
    board = leaderboard.make([cell], known={"pendulum": frozenset()})
    assert board.entries == ()
    assert "is not known for pendulum" in board.left_out[0]
    assert len(leaderboard.make([cell, plugin]).entries) == 2


def test_one_reason_is_given_once_with_all_it_applies_to():
    changed = result.Settings(False, ("physics",))
    cells = [make(safeguard=name, seeds=2, settings=changed) for name in ("none", "ray-mask", "cbf-qp")]
    board = leaderboard.make(cells)
    assert board.left_out == (
        "3 results: not standard (changed: physics): pendulum/none--shac (quick), "
        "pendulum/ray-mask--shac (quick), pendulum/cbf-qp--shac (quick)",
    )
    assert leaderboard.markdown(board).count("not standard") == 1


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ([make(settings=result.Settings(False, ("physics",)), seeds=2)], "every result was kept off"),
        ([make(safeguard="none", seeds=2)], "none of the entries is certified"),
        ([make(seeds=2)], None),
    ],
)
def test_a_leaderboard_that_ranks_nothing_says_so(shown, words):
    board = leaderboard.make(shown)
    text = leaderboard.markdown(board)
    assert ("Nothing is ranked" in text) == (words is not None)
    assert board.empty is None if words is None else words in board.empty
    assert ("| rank |" in text) == bool(board.entries)


def test_the_json_follows_its_schema(folder):
    data = json.loads((folder / "leaderboard.json").read_text())
    assert build(Leaderboard, data) == leaderboard.make(*files.load_folder(folder))
    jsonschema.validate(data, schema.json_schema(Leaderboard))
    data["entries"][0]["violations"] = "none"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema.json_schema(Leaderboard))


def test_markdown_escapes_what_a_file_says():
    board = leaderboard.make([], ["a\nb | <img src=x onerror=alert(1)> `x`"])
    line = leaderboard.markdown(board).splitlines()[-1]
    assert line == r"- a b \| \<img src=x onerror=alert(1)\> \`x\`"


def test_strings_of_a_file_cannot_leave_the_data(folder):
    text = (folder / "leaderboard.html").read_text()
    assert EVIL not in text
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&") & set(data)
    assert any(entry["command"] == EVIL for entry in json.loads(data)["entries"])


def test_the_page_loads_nothing():
    text = page.page(plain(leaderboard.make([make(seeds=2)])))
    assert "default-src 'none'" in text
    for attribute in ("src=", "href=", "@import", "url("):
        for place in re.finditer(re.escape(attribute), text):
            assert text[place.end() : place.end() + 7].strip("\"'").startswith("data:")


def test_an_empty_or_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no results"):
        leaderboard.write(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        leaderboard.write(tmp_path / "absent")


def test_the_readme_documents_every_field():
    readme = Path(__file__).parents[2] / "results" / "README.md"
    assert schema.field_table(Leaderboard) in readme.read_text()


HARNESS = """<!doctype html><body><iframe id="page" width="WIDTH" height="800"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById("page");
frame.onload = () => {
  const page = frame.contentDocument;
  const seen = {};
  try { (STEPS)(page, frame.contentWindow, seen); } catch (error) { seen.error = String(error); }
  document.getElementById("out").textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
};
frame.src = "leaderboard.html";
</script></body>"""

STEPS = """(page, view, seen) => {
  const column = (label) => [...page.querySelectorAll(`tr.row td[data-label="${label}"]`)]
    .map((cell) => cell.textContent);
  const change = (id, value) => {
    const element = page.getElementById(id);
    if (element.type === "checkbox") element.checked = value; else element.value = value;
    element.dispatchEvent(new view.Event("change"));
  };
  const head = (name) => [...page.querySelectorAll("thead button")].find((b) => b.textContent === name);
  seen.first = column("Safeguard");
  seen.count = page.getElementById("count").textContent;
  head("Return").click();
  seen.best = column("Return").map((text) => text.split(" ")[0]);
  seen.sorted = head("Return").parentElement.getAttribute("aria-sort");
  head("Return").click();
  seen.worst = column("Return").map((text) => text.split(" ")[0]);
  seen.reversed = head("Return").parentElement.getAttribute("aria-sort");
  head("Rank").click();
  seen.ranks = column("Rank");
  change("task", "quadrotor");
  seen.quadrotor = column("Task");
  change("learner", "ppo");
  seen.ppo = column("Learner");
  seen.filtered = page.getElementById("count").textContent;
  change("task", ""); change("learner", ""); change("certified", true);
  seen.certified = column("Safeguard").concat();
  change("certified", false); change("task", "pendulum");
  const opener = () => page.querySelector('[aria-label="Details of ray-mask, shac on pendulum"]');
  seen.closed = opener().getAttribute("aria-expanded");
  opener().click();
  seen.open = opener().getAttribute("aria-expanded");
  const details = page.getElementById(opener().getAttribute("aria-controls"));
  seen.details = details.textContent;
  seen.curve = details.querySelector("svg .curve").getAttribute("d");
  seen.images = page.querySelectorAll("img").length;
  seen.title = page.title;
  seen.focus = page.activeElement === opener();
  seen.overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  seen.headVisible = page.querySelector("thead").getBoundingClientRect().width > 100;
  seen.sortVisible = page.getElementById("sort").getBoundingClientRect().width > 0;
  seen.leftOut = page.getElementById("left-out").textContent;
  opener().click();
  seen.closedAgain = page.querySelectorAll(".details").length;
}"""


def browse(folder, width: int, steps: str = STEPS) -> tuple[dict, str]:
    """What a reader of the page sees after some clicks, and what the browser's console said."""
    (folder / "harness.html").write_text(HARNESS.replace("WIDTH", str(width)).replace("STEPS", steps))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
                *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"),
                f"http://127.0.0.1:{server.server_address[1]}/harness.html",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    encoded = re.search(r'<pre id="out">(.*?)</pre>', done.stdout)[1]
    said = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line and "favicon" not in line)
    return json.loads(base64.b64decode(encoded)), said


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 360])
def test_in_a_browser(folder, width):
    seen, console = browse(folder, width)
    assert "error" not in seen, seen
    assert console == ""
    assert seen["count"] == "5 of 5 shown"
    assert seen["first"] == ["ray-mask", "boundary-projection", "none", "ray-mask", "ray-mask"]
    best = [float(text) for text in seen["best"]]
    assert best == sorted(best, reverse=True)
    assert seen["sorted"] == "descending"
    assert [float(text) for text in seen["worst"]] == sorted(best)
    assert seen["reversed"] == "ascending"
    assert seen["ranks"] == ["1", "1", "2", "2", "\u2013"]
    assert seen["quadrotor"] == ["quadrotor", "quadrotor"]
    assert seen["ppo"] == ["ppo"]
    assert seen["filtered"] == "1 of 5 shown"
    assert len(seen["certified"]) == 4
    assert "none" not in seen["certified"]
    assert (seen["closed"], seen["open"], seen["closedAgain"]) == ("false", "true", 0)
    assert EVIL in seen["details"]  # shown as text ...
    assert seen["images"] == 0  # ... and nothing of it ran
    assert seen["title"] == "safebench leaderboard"
    assert seen["curve"].count("L") == 3
    assert seen["focus"]
    assert seen["overflow"] == 0
    assert seen["headVisible"] == (width > 1000)
    assert seen["sortVisible"] == (width < 1000)
    assert "learner.gamma" in seen["leftOut"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_browser_test_can_fail(folder):
    """A script that is not the page's own is stopped by its policy, and the console says so."""
    path = folder / "leaderboard.html"
    path.write_text(path.read_text().replace("</body>", "<script>document.title = 'taken'</script></body>"))
    seen, console = browse(folder, 1200)
    assert "Content Security Policy" in console
    assert seen["title"] == "safebench leaderboard"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_page_that_ranks_nothing_says_so_in_a_browser(tmp_path):
    board = leaderboard.make([make(seeds=2, settings=result.Settings(False, ("[/x]<b>",)))])
    (tmp_path / "leaderboard.html").write_text(page.page(plain(board)))
    steps = """(page, view, seen) => {
      seen.empty = page.getElementById("empty").textContent;
      seen.shown = page.getElementById("empty").getBoundingClientRect().height > 0;
      seen.table = page.querySelector("table").getBoundingClientRect().height;
      seen.leftOut = page.getElementById("left-out").textContent;
    }"""
    seen, console = browse(tmp_path, 1200, steps)
    assert "error" not in seen, seen
    assert console == ""
    assert (seen["empty"], seen["shown"], seen["table"]) == (board.empty, True, 0)
    assert "[/x]<b>" in seen["leftOut"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_success_is_a_column_in_a_browser_where_a_task_has_a_goal(tmp_path):
    cells = [
        make(success=0.75, seeds=2),
        make(task="quadrotor", seeds=2),
        make(safeguard="none", success=1.0),
    ]
    steps = """(page, view, seen) => {
      const column = () => [...page.querySelectorAll('tr.row td[data-label="Success"]')]
        .map((cell) => cell.textContent);
      seen.heads = [...page.querySelectorAll("thead button")].map((button) => button.textContent);
      seen.before = column();
      const head = [...page.querySelectorAll("thead button")].find((b) => b.textContent === "Success");
      if (head) head.click();
      seen.sorted = column();
      page.querySelector('tr.row button').click();
      seen.details = page.querySelector(".details").textContent;
    }"""
    for shown in (cells, cells[1:2]):
        (tmp_path / "leaderboard.html").write_text(page.page(plain(leaderboard.make(shown))))
        seen, console = browse(tmp_path, 1200, steps)
        assert "error" not in seen, seen
        assert console == ""
        assert ("Success" in seen["heads"]) == (shown == cells)
        assert ("time to the goal" in seen["details"]) == (shown == cells)
        if shown == cells:
            assert seen["before"] == ["75.0 % [75.0, 75.0]", "100.0 % [100.0, 100.0]", "\u2013"]
            assert seen["sorted"] == ["100.0 % [100.0, 100.0]", "75.0 % [75.0, 75.0]", "\u2013"]
