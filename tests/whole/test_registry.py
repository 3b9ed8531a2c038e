"""Plug-ins by name, file and dotted path; what is refused."""

import hashlib
import re
import sys

import pytest

from safebench import registry
from safebench.plugin import BrokenPlugin, speaking


def test_built_in_names():
    assert "pendulum" in registry.names("task")
    assert {"none", "boundary-projection", "ray-mask"} <= set(registry.names("safeguard"))
    assert "shac" in registry.names("learner")


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_every_plugin_loads_and_says_what_it_is(kind):
    for name in registry.names(kind):
        assert len(registry.summary(registry.load(kind, name))) > 10


def test_a_variant_of_a_learner_is_a_name_with_what_it_changes():
    for name, plain in (("ppo-lagrangian", "ppo"), ("shac-lagrangian", "shac")):
        found = registry.find("learner", name)
        assert found.name == name
        assert found.module is registry.load("learner", plain)
        assert registry.find("learner", plain).options == {}
        config = found.module.Config(**found.options)
        assert config.cost_limit is not None
        assert found.module.Config().cost_limit is None
    with pytest.raises(LookupError, match=r"unknown learner 'ppo-lagrange'. Did you mean 'ppo-lagrangian'"):
        registry.find("learner", "ppo-lagrange")


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


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Pretend that a package is installed: its modules, and its entry points by group."""

    def installed(package, modules, points):
        for name, text in {"__init__": "", **modules}.items():
            write(tmp_path / package / f"{name}.py", text)
        info = tmp_path / f"{package}-1.0.dist-info"
        write(info / "METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"[{group}]\n{name} = {value}" for group, name, value in points]
        write(info / "entry_points.txt", "\n".join(lines) + "\n")

    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = set(sys.modules)
    yield installed
    for name in set(sys.modules) - before:  # another test's package may have the same name
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_rival_of_a_built_in_name_is_broken_and_the_built_in_works(install):
    install("rival", {}, [("safebench.tasks", "pendulum", "rival.pendulum")])
    assert "pendulum" in registry.names("task")
    assert registry.load("task", "pendulum").__name__ == "safebench.tasks.pendulum"
    (cause,) = registry.broken("task").values()
    assert "rival.pendulum cannot be used: safebench.tasks.pendulum has that name" in cause


def test_two_strangers_of_one_name_are_both_broken(install):
    install("one", {}, [("safebench.tasks", "rover", "one.rover")])
    install("two", {}, [("safebench.tasks", "rover", "two.rover")])
    assert "rover" not in registry.names("task")
    assert "two plug-ins are the task 'rover': one.rover and two.rover" in registry.broken("task")["rover"]
    with pytest.raises(LookupError, match="uninstall one"):
        registry.load("task", "rover")


BROKEN = {
    "syntax": ("def make(:", "line 1( of syntax.py)?: SyntaxError"),
    "missing": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "leaves": ("import sys; sys.exit(0)", r"calls sys.exit\(0\)"),
    "leaves_at_once": ("import sys; sys.exit()", r"calls sys.exit\(\), which"),
    "empty": ("", "defines no make, synthesise"),
    "raises": ("x = [][3]", "line 1( of raises.py)?: IndexError"),
    "no_function": ("make = synthesise = 3", "make must be a function, not 3"),
}


def test_broken_entry_points_are_named_with_their_cause(install):
    modules = {name: text for name, (text, _) in BROKEN.items()}
    points = [("safebench.tasks", name, f"stranger.{name}") for name in modules]
    install("stranger", modules, [*points, ("safebench.tasks", "absent", "stranger.absent")])
    found = registry.broken("task")
    assert set(found) == {*modules, "absent"}
    for name, (_, cause) in BROKEN.items():
        assert re.search(cause, found[name]), found[name]
        assert "stranger" in found[name]
        assert "\n" not in found[name]
    install("stranger", {}, [("safebench.tasks", "fine", "safebench.tasks.pendulum")])
    assert registry.broken("task") == {}  # the control


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, name):
    text, cause = BROKEN[name]
    path = write(tmp_path / f"{name}.py", text)
    with pytest.raises(BrokenPlugin, match=cause) as raised:
        registry.load("task", path)
    assert path in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(BrokenPlugin, match=cause):  # and again: nothing half-made stays
        registry.load("task", path)


@pytest.mark.parametrize(("name", "text"), {"bytes": b"\x00\x01", "latin": b"x = '\xe9'"}.items())
def test_a_file_that_is_no_text_is_one_line(tmp_path, name, text):
    path = tmp_path / f"{name}.py"
    path.write_bytes(text)
    with pytest.raises(BrokenPlugin, match=name):
        registry.load("task", str(path))


def test_a_file_that_is_not_python_is_said_to_be_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model.xml", "my.task.yaml", "notes"):
        (tmp_path / name).write_text("<mujoco/>")
        for text in (f"./{name}", name):
            with pytest.raises(LookupError, match="no Python file"):
                registry.load("task", text)
    for text in ("./absent", "[/a]", ".relative.module", "a b.c", "", "."):
        with pytest.raises(LookupError, match=r"unknown task|no Python file"):
            registry.load("task", text)


def test_what_is_recorded_of_a_file_is_its_stem_and_what_ran(tmp_path):
    path = tmp_path / "My_Guard.py"
    text = "CERTIFIED = False\nclass Config: pass\ndef make(config): return 1\n"
    path.write_text(text)
    first = registry.find("safeguard", str(path))
    assert first.name == "my-guard"
    assert first.source == hashlib.sha256(text.encode()).hexdigest()
    path.write_text(text.replace("return 1", "return 2"))  # as long as before, in the same second
    second = registry.find("safeguard", str(path))
    assert (first.module.make(0), second.module.make(0)) == (1, 2)
    assert second.source != first.source
    assert registry.find("task", "pendulum").source is None
    assert registry.find("task", "safebench.tasks.pendulum")[:2] == ("task", "pendulum")


def test_files_of_one_stem_do_not_meet(tmp_path):
    text = "CERTIFIED = False\nclass Config: pass\ndef make(config): return __file__\n"
    paths = [write(tmp_path / folder / "same.py", text) for folder in ("a", "b")]
    modules = [registry.load("safeguard", path) for path in paths]
    assert [module.make(0) for module in modules] == paths


def test_speaking_says_which_function_of_which_file():
    expected = pytest.raises(BrokenPlugin, match=r"^x\.py: reward\(\): line \d+ .*TypeError: no way")
    with expected, speaking("x.py", "reward"):
        raise TypeError("no\nway")
    with pytest.raises(KeyboardInterrupt), speaking("x.py"):
        raise KeyboardInterrupt
    with speaking("x.py"):
        pass
