"""Every command and every block of code of the documentation does what it should.

All are read here, and those run that take seconds; `make test-slow` runs the others, smaller. CONTRIBUTING.md
says to authors how they write them ("Documentation").
"""

import os
import re
import shutil
import subprocess
import sys
import traceback

import jax
import page_commands
import page_program
import pages
import pytest
from pages import ROOT

import safebench as package

PAGES = pages.pages()
PROGRAM = ROOT / "tests" / "helpers" / "page_program.py"


def name(page):
    return str(page.relative_to(ROOT))


def holding(languages):
    """Pages that have blocks of these languages."""
    found = [page for page in PAGES if any(b.language in languages for b in pages.blocks(page.read_text()))]
    return [pytest.param(page, id=name(page)) for page in found]


WITH_COMMANDS = holding((*pages.COMMANDS, pages.INDENTED))
WITH_PYTHON = holding(pages.PROGRAMS)
LONG = ("README.md", "CONTRIBUTING.md", "docs/quickstart.md", "docs/proof.md")
"""Pages that take more than seconds: the slow suite, which runs all of every page, runs them alone."""


QUICK_PYTHON = "docs/plugins.md"


def quick(found):
    return [page for page in found if page.id not in LONG]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What a reader has: results and docs, in a copy."""
    for kept in ("results", "docs"):
        shutil.copytree(ROOT / kept, tmp_path / kept)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def write_files(page, folder):
    """The blocks of a page that the reader keeps as files."""
    for block in pages.blocks(page.read_text()):
        if block.file:
            path = folder / block.file
            assert path.resolve().is_relative_to(folder), (
                f"{name(page)}: {block.file} is outside of the folder"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)


def run_python(page, folder, *options):
    """The errors of the Python of a page, in a process of its own; empty if it runs to its end."""
    kept = {"JAX_COMPILATION_CACHE_DIR": jax.config.values["jax_compilation_cache_dir"]}
    command = [sys.executable, PROGRAM, page, *options]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | kept, capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def run_commands(page, safebench, whether=lambda command: True):
    """Run commands of a page, top to bottom; [(command, what was wrong)]."""
    commands = whole_commands(page)
    wanted, wrong = page_commands.result_files(commands), []
    for command in commands:
        if whether(command) and not page_commands.only_read(command):
            program, *rest = page_commands.words(command)
            if program == "safebench":
                code, _, error = safebench(*page_commands.reduced(rest, wanted))
            else:
                done = subprocess.run([sys.executable, *rest], capture_output=True, text=True, check=False)
                code, error = done.returncode, done.stderr
            if code:
                wrong.append((command.text, error))
    return wrong


def whole_commands(page):
    """The commands of a page that stand in blocks."""
    return [command for command in pages.commands(page.read_text()) if command.whole]


def unread(text):
    """What cannot be read of a page's commands, one line each."""
    wrong = []
    for command in pages.commands(text):
        try:
            page_commands.read(command)
        except Exception as error:  # of ours and of click, all are refusals
            wrong.append(f"line {command.line}: {command.text}: {error}")
    return wrong


@pytest.mark.parametrize("page", [pytest.param(page, id=name(page)) for page in PAGES])
def test_every_block_and_every_command_can_be_read(page):
    text = page.read_text()
    assert [*pages.faults(text), *unread(text)] == []


@pytest.mark.parametrize("page", quick(WITH_COMMANDS))
def test_commands_of_seconds_run(page, folder, safebench):
    write_files(page, folder)
    assert run_commands(page, safebench, page_commands.cheap) == []


@pytest.mark.parametrize("page", [page for page in WITH_PYTHON if page.id == QUICK_PYTHON])
def test_python_runs(page, folder):
    write_files(page, folder)
    assert run_python(page, folder) == ""


OF_TASKS = ("docs/arms.md", "docs/docking.md", "docs/navigation.md", "docs/swingup.md", "docs/vehicles.md")
"""Pages whose commands are those of docs/household.md with other tasks, which take long to compile."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(*page.values, id=page.id, marks=pytest.mark.weekly) if page.id in OF_TASKS else page
        for page in WITH_COMMANDS
    ],
)
def test_all_commands_run(page, folder, safebench):
    write_files(page, folder)
    assert run_commands(page, safebench) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_that_trains_runs(page, folder):
    write_files(page, folder)
    assert run_python(page, folder, "--train") == ""


@pytest.mark.slow
def test_the_values_that_the_readme_shows_are_those(folder):
    code = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r}); import page_program\n"
        f"shown = page_program.run('README.md', open({str(ROOT / 'README.md')!r}).read(), False)\n"
        "assert int(shown['state'].metrics['violations']) == 0\n"
        "assert len(shown['frame'].groupby(['safeguard', 'seed'])) == 3 * 5\n"
        "assert shown['info']['cost'] == 0.0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", page_commands.NOT_RUN)
def test_what_is_not_run_is_still_in_the_documents(text):
    typed = [" ".join(page_commands.words(command)) for page in PAGES for command in whole_commands(page)]
    assert any(re.fullmatch(text, command) for command in typed)


FALSE = {
    "an unknown option": ("```bash\nsafebench run --suite quick --sedes 3\n```", "--sedes"),
    "an unknown command": ("```console\n$ safebench prove\n```", "unknown command 'prove'"),
    "an unknown task": ("    safebench certify pendulm\n", "unknown task 'pendulm'"),
    "an unknown safeguard": (
        "```sh\nsafebench draw -t quadrotor -g raymask\n```",
        "unknown safeguard 'raymask'",
    ),
    "an unknown learner": (
        "```bash\nsafebench run -t pendulum -g none -l shak\n```",
        "unknown learner 'shak'",
    ),
    "an unknown suite": ("In words, `safebench run --suite papre`.", "unknown suite 'papre'"),
    "an unknown benchmark": ("See `safebench bench filtr`.", "unknown benchmark 'filtr'"),
    "an option of a sketch": (
        "`safebench play RESULT.json ... --ot ways.png` draws it.",
        "unknown option '--ot'",
    ),
    "an unknown setting": (
        "```bash\nsafebench run -t pendulum -g none -l shac \\\n  --set learner.windo=4\n```",
        "no setting 'windo'",
    ),
    "an unknown swept field": (
        "```bash\nsafebench sweep -t pendulum -g none -l shac --over learner.windo=4,8\n```",
        "no setting 'windo'",
    ),
    "an unknown tracker": ("```bash\nsafebench run --suite quick --track wnadb\n```", "unknown tracker"),
    "an unknown place": ("```bash\nsafebench run --suite quick --on moon\n```", "'moon'"),
    "an unknown target": ("```bash\nmake tset\n```", "tset"),
    "an unknown extra": ("```bash\npip install 'safebench[gymnasim]'\n```", "unknown extra 'gymnasim'"),
    "a missing program": ("```bash\npython docs/examples/filter.py\n```", "no such program"),
    "an unknown program": ("```bash\nsafebnch list\n```", "do not know"),
    "an unknown library": ("<!-- needs: stable-baselines -->\n```python\n1\n```", "needs 'stable-baselines'"),
    "broken Python": ("```python\nimport safebench as\n```", "no Python"),
    "broken JSON": ("```json\n{1}\n```", "no json"),
    "indented Python": ("A text.\n\n    import safebench\n", "use a fence"),
    "a fence without a language": ("```\nsafebench list\n```", "no language"),
    "hidden Python": ("```text\nimport safebench\n```", "could be run"),
}


@pytest.mark.parametrize(("text", "complaint"), FALSE.values(), ids=FALSE)
def test_what_is_wrong_is_found_by_reading(text, complaint):
    """The control of what is read; each is found on its own."""
    (found,) = [*pages.faults(text), *unread(text)]
    assert complaint in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nimport safebench\n\nsafebench.mak\n```", "line 4"),
        ("```python\nx = 1\n```\n\n```python\nassert x == 2\n```", "line 6"),
        ("```python\n>>> 1 + 1\n3\n```", "Expected:\n    3\nGot:\n    2"),
        (
            '```python\nimport safebench\nsafebench.train("pendulm", "none", "shac")\n```',
            "unknown task 'pendulm'",
        ),
        ("<!-- needs: ray -->\n```python\n1 / 0\n```", "ZeroDivisionError"),  # it is there
        ("<!-- needs: skrl -->\n```python\n1 / 0\n```", ""),  # it is not
        ("<!-- file: broken.py -->\n```python\n1 / 0\n```", ""),  # kept, not run
        ("```python\nx = 1\n```\n\n```python\n>>> x\n1\n```", ""),
    ],
)
def test_false_python_is_found_by_running(text, complaint, monkeypatch):
    monkeypatch.setattr(package, "train", package.train)  # it is replaced
    error = ""
    try:
        page_program.run("page.md", text, train=False)
    except Exception:
        error = traceback.format_exc()
    assert complaint in error
    assert bool(error) == bool(complaint)


@pytest.mark.slow
def test_false_python_fails_its_process(tmp_path):
    (tmp_path / "page.md").write_text("# A page\n\n```python\nassert 1 > 2\n```\n")
    assert "line 4" in run_python(tmp_path / "page.md", tmp_path)
    (tmp_path / "page.md").write_text("# A page\n\n```python\nassert 1 < 2\n```\n")
    assert run_python(tmp_path / "page.md", tmp_path) == ""


@pytest.mark.slow
def test_false_commands_are_found_by_running(folder, safebench):
    """They can be read, but what they name is not there."""
    page = folder / "page.md"
    page.write_text(
        "```bash\nsafebench report results/qick\nsafebench new learner my-learner   # first of all\n"
        "safebench verify results/quick/*/none--*.json\n```\n\n"
        "    safebench report results/quick --out there\n"
    )
    ((text, error),) = run_commands(page, safebench, page_commands.cheap)
    assert text == "safebench report results/qick"
    assert "no such folder" in error
    assert (folder / "my_learner.py").exists()
    assert (folder / "there" / "tables.md").exists()


def test_a_costly_command_is_made_small():
    typed = "run --suite navigation -l shac -n 100 --seeds=3"
    typed += " --set learner.window=8 --set safeguard.gradient=exact"
    small = page_commands.reduced(
        typed.split(), ["runs/seeker/none--shac.json", "runs/crowd/ray-mask--shac.json"]
    )
    cells = page_commands.parse(small).values
    assert (cells["task"], cells["safeguard"]) == (["seeker", "crowd"], ["none", "ray-mask"])
    assert (cells["seeds"], cells["interactions"], cells["physics"]) == (1, 32, "compiled")
    assert {"safeguard.gradient=exact", "learner.window=4", "evaluation.starts=2"} <= set(cells["assign"])
    assert "learner.window=8" not in cells["assign"]
    assert page_commands.reduced(["list"], []) == ["list"]
