"""The documentation site has a page for whatever is registered, and every link of it leads somewhere."""

import importlib
import os
import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from docutils import nodes
from every_task import FILES
from typer.testing import CliRunner

from safebench import registry
from safebench.cli import app
from safebench.sets import certificate, proof
from safebench.sets.proof import Proof

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
NAMED = {path.relative_to(ROOT).as_posix(): path for path in PAGES}


@pytest.fixture(scope="module")
def site():
    """The modules of docs/site_pages, found as `docs/conf.py` finds them."""
    sys.path.insert(0, str(DOCS))
    try:
        names = [path.stem for path in (DOCS / "site_pages").glob("[a-z]*.py")]
        found = {name: importlib.import_module(f"site_pages.{name}") for name in names}
    finally:
        sys.path.remove(str(DOCS))
    return types.SimpleNamespace(**found)


def headings(page):
    return re.findall(r"^## (.*)$", page, flags=re.M)


@pytest.mark.parametrize("name", FILES)
def test_the_page_of_a_task_has_what_its_certificate_says(site, name, task_of):
    task = task_of(name)
    found = task.certificate
    size = {"rows": len(found.offsets), "dimension": len(found.origin), "volume": found.volume}
    checked = Proof(name, True, (), {"law": 1e-3}, contraction=0.999, float32_share=0.5, seconds=0.0, **size)
    page = site.task_page.described(name, task, checked)
    assert page.startswith(f"# {name}\n")
    assert {"States", "Actions", "Disturbance", "Episode", "Safe set", "Attacks", "Results"} <= {
        *headings(page)
    }
    for line in (
        f"| rows | {len(found.offsets)} |",
        f"| share of the constraint box | {100 * found.volume[0]:.1f} %",
        f"`{certificate.digest(found)}`",
        "| control interval |",
        *(f"| `{state}` |" for state in task.state_names),
        *(f"| `{action}` |" for action in task.action_names),
    ):
        assert line in page, line
    if (DOCS / "figures" / f"play-{name}.png").is_file():
        assert f"../../figures/play-{name}.png" in page


def test_a_set_that_is_not_proven_has_no_page(site, monkeypatch):
    proven = site.task_page.proof.prove

    def broken(task):
        spoilt = replace(task.certificate, offsets=1.02 * task.certificate.offsets)
        return proven(replace(task, certificate=spoilt))

    assert "Proven while this page was built" in site.task_page.page("pendulum")
    monkeypatch.setattr(site.task_page.proof, "prove", broken)
    with pytest.raises(ValueError, match="pendulum: not proven"):
        site.task_page.page("pendulum")


@pytest.mark.parametrize("name", registry.names("safeguard"))
def test_the_page_of_a_safeguard_has_its_settings(site, name):
    page = site.plugin_pages.safeguard(name)
    module = registry.load("safeguard", name)
    assert ("**Certified**" in page) == module.CERTIFIED
    for field, value in vars(module.Config()).items():
        assert f"| `{field}` |" in page
        assert f"`{value!r}`" in page


@pytest.mark.parametrize("name", registry.names("learner"))
def test_the_page_of_a_learner_has_its_settings_and_tasks(site, name):
    page = site.plugin_pages.learner(name)
    module = registry.load("learner", name)
    for entry in (*vars(module.Config()), *module.SETTINGS):
        assert f"| `{entry}` |" in page, entry


NEW = types.ModuleType("brand_new", "What is new.")
NEW.CERTIFIED = True


def test_a_plug_in_that_is_new_gets_a_page(site, monkeypatch):
    real = registry.names
    monkeypatch.setattr(site.write, "PAGE", {kind: lambda name: f"# {name}\n" for kind in site.write.PAGE})
    rows = site.write.ROW | {"task": (("what it is",), lambda name: (name,))}  # those of tasks take a while
    monkeypatch.setattr(site.write, "ROW", rows)
    assert "safeguards/brand-new.md" not in dict(site.write.pages())
    monkeypatch.setattr(registry, "names", lambda kind: [*real(kind), *["brand-new"] * (kind == "safeguard")])
    monkeypatch.setattr(registry, "load", lambda kind, name: NEW)
    made = dict(site.write.pages())
    assert made["safeguards/brand-new.md"] == "# brand-new\n"
    assert "| [brand-new](brand-new.md) | yes | What is new. |" in made["safeguards/index.md"]
    assert "\nbrand-new\n" in made["safeguards/index.md"].split("{toctree}")[1]
    for kind in ("task", "safeguard", "learner"):
        assert {f"{kind}s/{name}.md" for name in real(kind)} <= set(made)


def test_pages_of_what_is_gone_are_removed(site, monkeypatch, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "gone.md").write_text("# gone\n")
    monkeypatch.setattr(site.write, "pages", lambda: iter([("tasks/here.md", "# here\n")]))
    site.write.write(tmp_path)
    assert [path.name for path in (tmp_path / "tasks").iterdir()] == ["here.md"]
    kept = (tmp_path / "tasks" / "here.md").stat().st_mtime_ns
    site.write.write(tmp_path)
    assert (tmp_path / "tasks" / "here.md").stat().st_mtime_ns == kept


def test_every_committed_result_and_attack_is_on_a_page(site):
    shown = [result for name in registry.names("task") for result in site.records.results_of("task", name)]
    assert {"results/quick", "results/paper", "results/soft", "results/navigation"} <= set(shown)
    attacked = {row["task"] for _, record in site.records.attacks() for row in record["records"]}
    assert attacked <= {*registry.names("task")}
    for task in attacked:
        assert "none (control)" in site.records.attack_tables(task, frozenset())
    assert "an earlier certificate" in site.records.attack_tables("pendulum", frozenset())


def test_every_command_and_option_is_in_the_reference(site):
    page = site.command_page.page()
    for info in app.registered_commands:
        name = info.name or info.callback.__name__
        (section,) = re.findall(rf"^## safebench {name}\n(.*?)(?=^## |\Z)", page, flags=re.S | re.M)
        helped = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).output
        options = {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", helped)} - {"--help"}
        assert {option for option in options if option not in section} == set()


@pytest.mark.parametrize("page", NAMED.values(), ids=NAMED)
def test_every_relative_link_and_picture_leads_somewhere(page):
    for target in targets(page.read_text()):
        assert (page.parent / target).exists(), target


def targets(text):
    """The relative targets of a page's links and pictures; what stands in code is none."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.S | re.M)
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"`[^`\n]*`", "", text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def test_a_link_that_leads_nowhere_is_found():
    text = (
        "[a](nowhere.md) ![b](figures/none.png) [c](https://x.org) `[d](code.md)`\n```\n[e](block.md)\n```\n"
    )
    assert targets(text) == ["nowhere.md", "figures/none.png"]


def test_links_out_of_the_folder_lead_to_pages_and_downloads(site, tmp_path):
    source, page = DOCS / "arms.md", DOCS / "arms.md"
    resolved = site.links.resolved
    assert resolved("[r](../README.md#results)", source, page) == "[r](generated/readme.md#results)"
    assert resolved("[m](models.md)", source, page) == "[m](models.md)"
    assert resolved("[t](../tasks/arm2.py)", source, page) == "{download}`t <../tasks/arm2.py>`"
    assert resolved("[q](../results/quick)", source, page) == "q"
    assert resolved("[web](https://a.org/b.md)", source, page) == "[web](https://a.org/b.md)"
    moved = resolved("![p](docs/figures/growth.png)", ROOT / "README.md", DOCS / "generated" / "readme.md")
    assert moved == "![p](../figures/growth.png)"


def test_every_condition_of_the_proof_is_explained():
    page = (DOCS / "proof.md").read_text()
    rows = dict(re.findall(r"^\| (\d) \| ([\w0-9 -]+) \|", page, flags=re.M))
    numbered = dict(re.findall(r"^  (\d)\. (\w+(?: X)?)  ", proof.__doc__, flags=re.M))
    assert set(numbered) == set("123456789")
    assert set(rows) == set(numbered)
    text = Path(proof.__file__).read_text()
    for name in {*re.findall(r'slacks\["([^"]+)"\]', text)}:
        assert re.search(rf"^\| \d \| {name} \|", page, flags=re.M), name


def test_the_times_said_are_those_of_the_records(site):
    page = " ".join((DOCS / "performance.md").read_text().split())
    measured = [row for row in site.records.measured("physics")["physics"] if "gradient_ms" in row]
    rows = {(row["system"], row["physics"]): row for row in measured}
    said = "{:.1f} s with MJX and {:.2f} s compiled; of seven joints in {:.0f} s and {:.1f} s"
    systems = [(system, physics) for system in ("pendulum", "chain") for physics in ("mjx", "compiled")]
    assert said.format(*(rows[each]["gradient_compile"] for each in systems)) in page
    ratios = [rows[s, "mjx"]["gradient_ms"] / rows[s, "compiled"]["gradient_ms"] for s in ROBOTS]
    assert (
        "{:.0f} times on the pendulum, {:.0f} on the cart-pole, {:.0f} on the quadrotor".format(*ratios)
        in page
    )
    growth = site.records.measured("growth")["growth"]
    seconds = [each for arm in growth for each in arm["compile_seconds"].values()]
    assert f"takes {min(seconds):.0f} to {max(seconds):.0f} s to compile" in page


ROBOTS = ("pendulum", "cartpole", "quadrotor")


def test_docstrings_are_text_and_not_markup(site):
    documented = types.ModuleType(
        "m", "A *b* <c> [d] $e$ `f * g`.\n\n| x_y | a <= b |\n|---|---|\n\n    code * here"
    )
    assert site.text.docstring(documented) == (
        "A \\*b\\* \\<c\\> \\[d\\] \\$e\\$ `f * g`.\n\n| x_y | a \\<= b |\n|---|---|\n\n    code * here"
    )
    lines = [
        "What it is.",
        "",
        "size: of |a|, see `b`",
        "    and more.",
        "",
        "Raises:",
        "    ValueError: if so.",
    ]
    shown = "\n".join(site.reference.restructured(lines))
    assert "- **size**: of \\|a\\|, see ``b`` and more." in shown
    assert "Raises:\n    ValueError: if so." in shown


def test_formulas_are_drawn_without_a_script(site):
    for visit, node in ((site.mathml._inline, nodes.math), (site.mathml._display, nodes.math_block)):
        page = types.SimpleNamespace(body=[])
        with pytest.raises(nodes.SkipNode):
            visit(page, node("", "x^+ = A x"))
        (written,) = page.body
        assert written.startswith("<math")
        assert "<msup>" in written


REMOTE = re.compile(
    r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*[\"']"
    r"|@import|url\([\"']?(?:https?:)?//"
)


def test_a_remote_resource_is_found():
    assert REMOTE.search('<script async src="https://cdn.org/x.js"></script>')
    assert REMOTE.search("src: url('https://fonts.org/f.woff')")
    assert REMOTE.search("<link rel='stylesheet' href='//fonts.org/f.css'>")
    assert not REMOTE.search('<a href="https://arxiv.org">paper</a><img src="../_images/a.png">')


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
        env=os.environ | nowhere,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    html = tmp_path / "html"
    for kind in ("task", "safeguard", "learner"):
        for name in registry.names(kind):
            assert (html / "generated" / f"{kind}s" / f"{name}.html").is_file()
    assert not [sheet for sheet in html.rglob("*.css") if REMOTE.search(sheet.read_text())]
    for page in html.rglob("*.html"):
        text = page.read_text()
        assert not REMOTE.search(text), page
        for target in re.findall(r'<img[^>]*\bsrc="([^"#?]+)', text):
            assert target.startswith("data:") or (page.parent / target).is_file(), (page, target)
    api = (html / "api.html").read_text()
    for name in (
        "safebench.train",
        "safebench.task.Task",
        "safebench.safeguard.guard",
        "safebench.learner.Learner",
    ):
        assert f'id="{name}"' in api, name
