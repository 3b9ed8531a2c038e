"""What docs/soft.md claims is what the committed files hold."""

from pathlib import Path

from safebench import registry
from safebench.record import files
from safebench.report import soft
from safebench.report.table import markdown
from safebench.runs import suites

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "soft.md").read_text()


def shown():
    """The cells of the suite: the soft learners' own files, the others' from suites that had them first."""
    titles = {cell.title for cell in suites.cells("soft")}
    folders = [files.load_folder(ROOT / "results" / name) for name in ("paper", "soft")]
    assert not any(problems for _, problems in folders)
    return [cell for found, _ in folders for cell in found if cell.title in titles]


def test_the_table_is_that_of_the_committed_files():
    begin, end = "<!-- results/soft: begin -->\n", "<!-- results/soft: end -->"
    body = markdown(soft.soft(shown())).split("\n\n")[1]
    assert body.strip() == PAGE.split(begin)[1].split(end)[0].strip()


def test_soft_rows_are_of_the_suite_and_certified_rows_never_violated():
    own, _ = files.load_folder(ROOT / "results" / "soft")
    assert own
    for cell in own:
        for name, value in registry.find("learner", cell.learner.name).options.items():
            assert cell.learner.config[name] == (list(value) if isinstance(value, tuple) else value)
        assert cell.suite == "soft"
        compiled_before_it_was_compared = cell.schema_version < 6
        assert cell.settings.changed == (("physics",) if compiled_before_it_was_compared else ())
        assert not cell.provenance.dirty
    for cell in shown():
        assert len(cell.runs) == 10
        if cell.safeguard.name == "none":
            assert cell.counted.violations > 0
        else:
            assert cell.certified
            assert cell.counted.violations == 0


def test_the_settings_are_those_of_the_code():
    for name in ("ppo-lagrangian", "shac-lagrangian"):
        options = registry.find("learner", name).options
        column = ["`ppo-lagrangian`", "`shac-lagrangian`"].index(f"`{name}`")
        for setting in ("cost_limit", "multiplier_gains", "cost_margin"):
            (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{setting}` |")]
            assert line.split("|")[3 + column].strip() == str(options.get(setting, "-"))
