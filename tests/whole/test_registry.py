"""Plug-ins by name, file and dotted path; what is refused."""

import sys

import pytest

from safebench import registry


def test_built_in_names():
    assert "pendulum" in registry.names("task")
    assert {"none", "boundary-projection", "ray-mask"} <= set(registry.names("safeguard"))
    assert "shac" in registry.names("learner")


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_every_plugin_loads_and_says_what_it_is(kind):
    for name in registry.names(kind):
        assert len(registry.summary(registry.load(kind, name))) > 10


def test_a_file_and_a_dotted_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("CERTIFIED = False\nclass Config: pass\ndef make(config): return None\n")
    assert registry.load("safeguard", str(path)).CERTIFIED is False
    assert registry.load("task", "safebench.tasks.pendulum").make


def test_an_incomplete_plugin_says_what_is_missing(tmp_path):
    path = tmp_path / "half.py"
    path.write_text("class Config: pass\n")
    with pytest.raises(ValueError, match="CERTIFIED, make"):
        registry.load("safeguard", str(path))


def test_unknown_names_are_explained():
    with pytest.raises(LookupError, match=r"Did you mean 'pendulum'\? Known: .*quadrotor"):
        registry.load("task", "pendlum")
    with pytest.raises(LookupError, match=r"absent\.py"):
        registry.load("task", "absent.py")
    with pytest.raises(LookupError, match="no_such_package"):
        registry.load("task", "no_such_package.task")


def test_two_plugins_of_one_name_are_an_error(tmp_path, monkeypatch):
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[safebench.tasks]\npendulum = rival.pendulum\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(LookupError, match="two plug-ins are the task 'pendulum'"):
        registry.names("task")
    (info / "entry_points.txt").write_text("[safebench.tasks]\nrival = rival.pendulum\n")
    assert "rival" in registry.names("task")
