"""What the README claims is what the committed files hold."""

import json
import re
from pathlib import Path

import pytest

from safebench import registry
from safebench.commands import bench_growth, bench_scaling, bench_scaling_table
from safebench.record import files
from safebench.report import summary
from safebench.sets import certificate

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
README = (ROOT / "README.md").read_text()


def test_the_committed_quick_results_are_standard_and_keep_their_promise():
    found, _ = files.load_folder(RESULTS / "quick")
    by_name = {cell.safeguard.name: cell for cell in found}
    assert set(by_name) == {"none", "boundary-projection", "ray-mask"}
    for name, cell in by_name.items():
        assert cell.settings.standard
        counted = cell.counted
        if name == "none":
            assert counted.violations > 0
        else:
            assert cell.certified
            assert not cell.broken_promise
            assert summary.row(cell).reference.value >= -8.5


@pytest.mark.parametrize("name", registry.names("task"))
def test_the_share_of_each_safe_set_is_the_certificates(name, task_of):
    (share,) = re.findall(rf"^\| {name} \| [^|]* \| ([0-9.]+) %", README, flags=re.M)
    assert float(share) == pytest.approx(100 * task_of(name, "compiled").certificate.volume[0], abs=0.06)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


ATTACKED = (
    *("cartpole-swingup", "arm2", "arm7", "cruise", "docking", "energy-heating", "quadrotor3d"),
    *("seeker", "seeker-blind", "quadrotor-obstacles", "crowd", "arm2-obstacles"),
)
"""Tasks that have a recorded attack of their own; the sets of the last five move."""


def test_the_readme_names_every_recorded_attack():
    named = {"attack", *(f"attack-{task}" for task in ATTACKED)}
    assert {path.stem for path in (ROOT / "docs" / "records").glob("attack*.json")} == named
    *most, last = ATTACKED
    assert f"each of {', '.join(most)} and {last}," in " ".join(README.split())


@pytest.mark.parametrize("task", [None, *ATTACKED])
def test_the_recorded_attack_is_what_the_readme_says(task, task_of):
    name = f"attack-{task}" if task else "attack"
    record = json.loads((ROOT / "docs" / "records" / f"{name}.json").read_text())
    assert record["guarded_steps"] >= (1e6 if task else 1e7)
    assert {attack["task"] for attack in record["records"]} == {task} or not task
    assert f"{record['guarded_steps'] / 1e6:.1f} million" in README
    known = {certificate.digest(task_of(name).certificate) for name in registry.names("task")}
    for attack in record["records"]:
        counterexamples = attack["outside"] + attack["infeasible"] + attack["last_line"]
        assert (counterexamples > 0) == attack["control"]
        if attack["control"]:
            assert attack["first"] <= 4096
        else:
            assert attack["certificate"] in known, "attack again: the certificate has changed"


def test_the_recorded_speeds_are_what_the_readme_says():
    records = ROOT / "docs" / "records"
    physics = json.loads((records / "bench-physics.json").read_text())["physics"]
    ratios = {row["system"]: row for row in physics if "gradient_ms" not in row}
    for system, bar, compile_bar in (
        ("pendulum", 50, 5),
        ("cartpole", 50, 5),
        ("quadrotor", 50, 5),
        ("chain", 5, 1),
    ):
        ratio = ratios.pop(system)
        assert ratio["gradient"] >= bar, ratio
        assert ratio["gradient_compile"] >= compile_bar, ratio
        digits = 1 if ratio["gradient"] < 10 else 0
        assert re.search(rf"\b{ratio['gradient']:.{digits}f}\s+times", README), ratio
    least, most = (f([row["gradient"] for row in ratios.values()]) for f in (min, max))
    assert f"{least:.0f} to {most:.0f} times on all mechanical tasks" in README
    rows = json.loads((records / "bench-safeguards.json").read_text())["safeguards"]
    faster = []
    for row in (row for row in rows if row["batch"] == 512):
        searched = row["safeguard"].endswith(("orthogonal", "zonotopic", "chebyshev"))
        searching = row["safeguard"].startswith("implicit-safe-set")
        if not searched and row["task"] in ("pendulum", "quadrotor"):
            said = {"pendulum": (2.5, 2.9), "quadrotor": (9, 52)}[row["task"]][searching]
            assert row["forward_backward_us"] <= said + 0.005, row
            assert f" {said}" in " ".join(README.split())
        faster += [row["faster"]] if row["faster"] else []
    assert min(faster) > 200
    assert f" {min(faster):.0f}"[:-1] + "0 to " in README


def test_what_safeguards_add_to_training_is_what_the_page_says():
    rows = json.loads((ROOT / "docs" / "records" / "bench-learner.json").read_text())["learner"]
    searched = "ray-mask+orthogonal"
    added = {(row["task"], row["safeguard"]): row["overhead"] for row in rows if row["safeguard"] != "none"}
    spans = {}
    for task in ("pendulum", "quadrotor"):
        few = [each for (of, name), each in added.items() if of == task and name != searched]
        spans[task] = f"{min(few):.1f} to {max(few):.1f}"
    page = " ".join((ROOT / "docs" / "performance.md").read_text().split())
    said = "{pendulum} times unguarded training on the pendulum and {quadrotor} on the quadrotor".format(
        **spans
    )
    assert f"{said}, with the orthogonal centre {added['quadrotor', searched]:.1f}" in page


def test_the_table_of_growth_is_that_of_the_record():
    record = json.loads((ROOT / "docs" / "records" / "bench-growth.json").read_text())
    found = [bench_growth.Growth(**arm) for arm in record["growth"]]
    assert [arm.joints for arm in found] == [2, 4, 7, 14]
    assert not record["provenance"]["dirty"]
    page = (ROOT / "docs" / "arms.md").read_text()
    begin, end = "<!-- records/bench-growth: begin -->\n", "<!-- records/bench-growth: end -->"
    rows = page.split(begin)[1].split(end)[0].strip().splitlines()[2:]
    assert rows == ["| " + " | ".join(line) + " |" for line in bench_growth.lines(found)]


def test_the_table_of_scaling_is_that_of_the_record(task_of):
    record = json.loads((ROOT / "docs" / "records" / "bench-scaling.json").read_text())
    found = [bench_scaling_table.Scaling(**row) for row in record["scaling"]]
    assert {(row.axis, row.size) for row in found} == {
        *(("seeds", size) for size in bench_scaling.SIZES.seeds),
        *(("window", size) for size in bench_scaling.SIZES.windows),
        *(("environments", size) for size in bench_scaling.SIZES.environments),
        *(("rows", size) for size in bench_scaling.SIZES.rows),
    }
    assert not record["provenance"]["dirty"]
    page = (ROOT / "docs" / "performance.md").read_text()
    assert record["provenance"]["command"] in page
    own = len(task_of(bench_scaling.GUARDED, "compiled").certificate.offsets)
    assert f"rows (its own {own}, fewer or repeated)" in " ".join(page.split())
    begin, end = "<!-- records/bench-scaling: begin -->\n", "<!-- records/bench-scaling: end -->"
    heads, _, *rows = page.split(begin)[1].split(end)[0].strip().splitlines()
    assert heads == "| " + " | ".join(head.replace("\n", " ") for head in bench_scaling_table.HEADS) + " |"
    assert rows == ["| " + " | ".join(line) + " |" for line in bench_scaling_table.lines(found)]


def test_the_recorded_latency_of_the_filter_is_what_the_readme_says():
    rows = json.loads((ROOT / "docs" / "records" / "bench-filter.json").read_text())["filter"]
    median = {row["task"]: row["median_us"] for row in rows if _plain_ray_mask(row)}
    said = "{pendulum:.0f} microseconds on the pendulum and {quadrotor:.0f} on the quadrotor"
    assert said.format_map(median) in " ".join(README.split())


def _plain_ray_mask(row):
    return row["safeguard"] == "ray-mask" and row["arguments"] == "numpy"
