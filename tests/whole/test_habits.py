"""The habits of the repository: one version everywhere, and workflows whose scripts do what they say."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import safebench

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
RESULT = "results/quick/pendulum/ray-mask--shac.json"
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def workflow(name):
    return yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text())


def script(name, job, step):
    (found,) = [each["run"] for each in workflow(name)["jobs"][job]["steps"] if each.get("name") == step]
    return found


def run(text, folder, **variables):
    """As GitHub runs a step: bash that ends at the first failure."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_one_version_stands_everywhere():
    version = PACKAGE["version"]
    assert safebench.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    newest = re.search(r"^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == version
    assert newest[2] == "unreleased" or re.fullmatch(r"\d{4}-\d\d-\d\d", newest[2])


def test_the_citation_is_the_papers():
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["preferred-citation"]
    assert paper["doi"] == "10.1109/OJCSYS.2025.3607845"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Walter",
        "Markgraf",
        "Külz",
        "Althoff",
    ]


@pytest.mark.parametrize("path", sorted(GITHUB.rglob("*.yml")), ids=lambda path: path.stem)
def test_forms_and_workflows_are_readable(path):
    found = yaml.safe_load(path.read_text())
    if path.parent.name == "workflows":
        for job in found["jobs"].values():
            assert all("uses" in step or "run" in step for step in job["steps"])
    elif path.stem != "config":
        assert {"name", "description", "body"} <= set(found)
        assert all(field["type"] in ("textarea", "input", "dropdown", "markdown") for field in found["body"])


def test_workflows_call_only_targets_that_there_are():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    texts = [path.read_text() for path in (GITHUB / "workflows").iterdir()] + [(ROOT / ".ci/run").read_text()]
    called = {name for text in texts for name in re.findall(r"\bmake ([\w-]+)", text)}
    assert {"test", "dist"} <= called
    assert called <= set(targets)


class TestPublishing:
    STEP = script("publish", "build", "The tag is the version, and the changelog dates it")

    @pytest.fixture
    def folder(self, tmp_path):
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {PACKAGE['version']} (2026-12-24)\n")
        return tmp_path

    def test_the_tag_of_the_version_passes(self, folder):
        done = run(self.STEP, folder, GITHUB_REF_NAME=f"v{PACKAGE['version']}")
        assert done.returncode == 0, done.stdout

    def test_another_tag_is_refused(self, folder):
        done = run(self.STEP, folder, GITHUB_REF_NAME="v9.9.9")
        assert done.returncode == 1
        assert "v9.9.9" in done.stdout

    def test_a_version_without_a_date_is_refused(self, folder):
        (folder / "CHANGELOG.md").write_text(f"## {PACKAGE['version']} (unreleased)\n")
        done = run(self.STEP, folder, GITHUB_REF_NAME=f"v{PACKAGE['version']}")
        assert done.returncode == 1
        assert "CHANGELOG.md has no heading" in done.stdout


class TestSubmission:
    ALONE = script("leaderboard", "verify", "Results come alone, or with the plug-ins that made them")
    VERIFY = script("leaderboard", "verify", "Verify")

    @pytest.fixture
    def pull_request(self, tmp_path):
        """(files) -> (folder, environment) of a pull request that adds them."""

        def git(*arguments):
            who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
            command = ["git", *who, *arguments]
            return subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout.strip()

        def commit():
            git("add", ".")
            git("commit", "-q", "--allow-empty", "-m", "a change")
            return git("rev-parse", "HEAD")

        def make(files):
            git("init", "-q")
            (tmp_path / "results/old/task").mkdir(parents=True)
            (tmp_path / "results/old/task/none--shac.json").write_text("not asked about")
            base = commit()
            for name, text in files.items():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
            return tmp_path, {"BASE": base, "HEAD": commit()}

        return make

    def test_other_files_are_refused(self, pull_request):
        folder, ends = pull_request({"results/mine/x.json": "{}", "safebench/cli.py": ""})
        done = run(self.ALONE, folder, **ends)
        assert done.returncode == 1
        assert "safebench/cli.py" in done.stdout

    def test_results_and_plugins_pass_that(self, pull_request):
        folder, ends = pull_request({"results/mine/x.json": "{}", "baselines/mine.py": ""})
        assert run(self.ALONE, folder, **ends).returncode == 0

    def test_a_good_result_is_verified(self, pull_request):
        folder, ends = pull_request({RESULT: (ROOT / RESULT).read_text()})
        done = run(self.VERIFY, folder, **ends)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ray-mask--shac.json" in done.stdout + done.stderr

    def test_an_altered_result_is_refused(self, pull_request):
        altered = json.loads((ROOT / RESULT).read_text())
        altered["runs"][0]["training"]["violations"] += 1
        folder, ends = pull_request({RESULT: json.dumps(altered)})
        assert run(self.VERIFY, folder, **ends).returncode == 1

    def test_without_results_there_is_nothing_to_verify(self, pull_request):
        folder, ends = pull_request({"README.md": ""})
        done = run(self.VERIFY, folder, **ends)
        assert (done.returncode, done.stdout) == (0, "no result files in this pull request\n")
