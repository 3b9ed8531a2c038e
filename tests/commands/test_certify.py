"""`safebench certify`: a proof passes, a corrupted file does not."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest

from safebench import registry
from safebench.physics import agreement
from safebench.sets import certificate as certificates


def test_certify_proves_the_pendulum_and_refuses_a_corrupted_file(tmp_path, task_of, safebench):
    assert safebench("certify", "pendulum")[0] == 0
    proven = task_of("pendulum").certificate
    certificates.save(dataclasses.replace(proven, offsets=1.02 * proven.offsets), tmp_path / "wrong.npz")
    good = tmp_path / "good.npz"
    certificates.save(proven, good)
    whole = good.read_bytes()
    (tmp_path / "damaged.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("wrong", "damaged"):
        code, output, _ = safebench("certify", "pendulum", "--certificate", str(tmp_path / f"{name}.npz"))
        assert code == 1, output
        assert "NOT PROVEN" in output
    assert safebench("certify", "pendulum", "--certificate", str(good))[0] == 0


def test_certify_reports_where_mjx_does_otherwise(safebench, monkeypatch):
    honest, error = agreement.mjx_steps, np.array([0.0, 1e-9])
    monkeypatch.setattr(
        agreement, "mjx_steps", lambda model, commanded: lambda x, a: honest(model)(x, a) + error
    )
    code, output, _ = safebench("certify", "pendulum")
    assert code == 1
    assert "NOT PROVEN pendulum: MJX does not do what was proven: the next thetadot is" in output
    assert "no single number of the model explains it" in output


@pytest.mark.slow
def test_list_and_certify_name_a_task_whose_model_was_changed(safebench, monkeypatch):
    from safebench.tasks import pendulum

    honest = pendulum.shipped_model

    def sprung(name):
        model = honest(name)
        model.jnt_stiffness[:] = 1.0
        return model

    monkeypatch.setattr(pendulum, "shipped_model", sprung)
    with monkeypatch.context() as fewer:  # each is proven before it is listed
        fewer.setattr(registry, "names", lambda kind: ["cartpole", "energy", "pendulum"])
        code, output, _ = safebench("list", "tasks")
    assert code == 0
    assert "task 'pendulum': " in output
    assert output.count("FAILS") == 1
    assert output.count("proven") >= 2  # the others are still listed
    code, output, _ = safebench("certify", "pendulum")
    assert code == 1
    assert "NOT PROVEN pendulum: task 'pendulum': " in output
    assert "proven for other dynamics" in output
    with pytest.raises(ValueError, match="task 'pendulum': "):
        registry.make_task("pendulum", "compiled")


TASK = """
from dataclasses import replace
from safebench.task import mechanical, shipped_certificate, shipped_model
from safebench.tasks import pendulum

def synthesise(progress):
    progress("looking [/here]", 1, 2)
    {search}
    dynamics = mechanical(shipped_model("pendulum"), pendulum.DISTURBANCE_INPUT, "compiled")
    return replace(shipped_certificate("pendulum", dynamics), task="my-task")

def make(physics="mjx"):
    dynamics = mechanical(shipped_model("pendulum"), pendulum.DISTURBANCE_INPUT, physics)
    certificate = shipped_certificate(__file__, dynamics)
    {make}
    return replace(pendulum.make(physics), name="my-task", certificate=certificate)
"""


@pytest.fixture
def write_task(tmp_path, monkeypatch):
    """Write my_task.py, with a line in `synthesise` and one in `make`, into an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(agreement, "mjx_steps", agreement.compiled_steps)  # MJX takes seconds to compile

    def write(search="pass", make="pass", name="my_task.py"):
        (tmp_path / name).write_text(TASK.format(search=search, make=make))
        return tmp_path

    return write


def rows(output):
    """The rows of the table by their tasks."""
    lines = output.partition("─\n")[2].partition("n: states")[0].splitlines()
    return {line.split()[0]: line.split()[1] for line in lines if line.strip()}


def test_a_set_found_is_shown_with_the_command_that_keeps_it_and_then_kept(write_task, safebench):
    folder = write_task()
    command = "safebench certify ./my_task.py --synthesise --save certificates/my_task.npz"
    code, output, _ = safebench("certify", "./my_task.py")
    assert code == 1
    assert rows(output) == {"./my_task.py": "none"}
    assert f"`{command.replace('./', '')}`" in output
    code, output, _ = safebench("certify", "./my_task.py", "--synthesise")
    assert code == 0
    assert rows(output) == {"./my_task.py": "proven"}
    assert f"Not saved. To write the set of ./my_task.py: `{command}`\n" in output
    assert not (folder / "certificates").exists()
    code, output, _ = safebench(*command.split()[1:])
    assert code == 0
    assert output.index("Wrote certificates/my_task.npz\n") < output.index("Safe sets")
    assert "Not saved" not in output
    code, output, _ = safebench("certify", "./my_task.py")
    assert (code, rows(output)) == (0, {"./my_task.py": "proven"})


def test_what_was_found_is_kept_though_the_task_turns_out_broken(write_task, safebench):
    folder = write_task(make="raise RuntimeError('[/no] reward')")
    code, output, _ = safebench("certify", "my_task.py", "--synthesise", "--save", "set.npz")
    assert code == 1
    assert (folder / "set.npz").is_file()
    assert "NOT PROVEN my_task.py: my_task.py: make(): line " in output
    assert "RuntimeError: [/no] reward\n" in output


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("KeyboardInterrupt", 130, "Stopped: no safe set of my_task.py was found yet, and nothing is saved."),
        ("SystemExit(0)", 1, "my_task.py: synthesise(): it calls sys.exit(0)"),
        ("ZeroDivisionError('x')", 1, "my_task.py: synthesise(): line "),
    ],
)
def test_a_search_that_ends_early_says_so(write_task, safebench, raised, code, said):
    folder = write_task(search=f"raise {raised}")
    found, output, _ = safebench("certify", "my_task.py", "--synthesise", "--save", "set.npz")
    assert found == code
    assert said in output
    assert not (folder / "set.npz").exists()


def test_a_failed_search_keeps_its_advice(write_task, safebench):
    advice = "no law [/gives] a set; " + "try more torque; " * 60
    write_task(search=f"from safebench.sets.search import SynthesisError; raise SynthesisError({advice!r})")
    code, output, _ = safebench("certify", "my_task.py", "--synthesise")
    assert code == 1
    assert f"NOT PROVEN my_task.py: {advice}" in output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--synthesise", "--save", "set.json"], "--save set.json: a certificate's file ends in .npz"),
        (["--synthesise", "--save", "folder.npz"], "--save folder.npz: that is a folder"),
        (["--synthesise", "--save", "my_task.py/set.npz"], "--save my_task.py/set.npz: cannot write in "),
        (["--save", "set.npz"], "--save goes with --synthesise"),
        (["--synthesise", "--certificate", "set.npz"], "give one of the two"),
        (["--attack", "--certificate", "set.npz"], "--certificate does not go with --attack"),
        (["--attack", "--synthesise"], "--synthesise does not go with --attack"),
        (["--out", "set.json"], "--out goes with --attack"),
        (["--certificate", "absent.npz"], "there is no certificate file absent.npz"),
        (["--certificate", "folder.npz"], "folder.npz is a folder, not a certificate file"),
        (["pendulum", "--synthesise", "--save", "set.npz"], "about one task: name it"),
        (["pendlum"], "Did you mean 'pendulum'?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_searched(write_task, safebench, options, complaint):
    folder = write_task(search="open('searched', 'w')")
    (folder / "folder.npz").mkdir()
    code, _, error = safebench("certify", "./my_task.py", *options)
    assert code == 2
    assert error.startswith("Error: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not (folder / "searched").exists()


def archive(**entries):
    buffer = io.BytesIO()
    np.savez(buffer, **entries)
    return buffer.getvalue()


def zipped(**entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in entries.items():
            file.writestr(name, text)
    return buffer.getvalue()


NO_CERTIFICATES = {
    "empty": (b"", "it is empty"),
    "json": (b'{"format": 2}', "it is no npz archive"),
    "npy": (b"\x93NUMPY" + bytes(200), "it is no npz archive"),
    "pickle": (b"\x80\x04N.", "it is no npz archive"),
    "cut": (archive(header=np.zeros(400))[:200], "cut short or altered"),
    "other": (archive(weights=np.zeros(3)), "something else: it has no header"),
    "objects": (archive(header=np.array([{}], dtype=object)), "pickled objects, which are never loaded"),
    "raw": (zipped(header="text"), "header is no array"),
    "zip": (zipped(readme="text"), "it has no header"),
    "list": (archive(header=np.array("[2]")), "its header is no JSON object"),
    "text": (archive(header=np.array("two")), "its header is no JSON object"),
    "bare": (archive(header=np.array('{"format": 2}')), "its header lacks digest, task"),
    "older": (
        archive(header=np.array('{"format": 1}')),
        "has certificate format 1; this version reads format 2",
    ),
}


@pytest.mark.parametrize("kind", NO_CERTIFICATES)
def test_a_file_that_is_no_certificate_is_refused_in_our_words(write_task, safebench, kind):
    folder = write_task()
    content, reason = NO_CERTIFICATES[kind]
    (folder / "x.npz").write_bytes(content)
    code, output, error = safebench("certify", "./my_task.py", "--certificate", "x.npz")
    assert (code, error) == (1, "")
    (line,) = [line for line in output.splitlines() if line.startswith("NOT PROVEN")]
    assert line.startswith("NOT PROVEN ./my_task.py: x.npz ")
    assert reason in line
    assert "allow_pickle" not in output


def test_headers_of_another_kind_and_lone_numbers_are_named(tmp_path, task_of):
    made = task_of("pendulum").certificate
    path = tmp_path / "c.npz"
    certificates.save(made, path)
    with np.load(path) as stored:
        arrays = dict(stored)
    header = str(arrays.pop("header"))
    changes = {
        "entries of the wrong kind": {"header": header.replace('"volume": [', '"volume": [1, ')},
        "it lacks gain": {"gain": None},
        "offsets must be float64": {"offsets": arrays["offsets"].astype("f4")},
        "do not match its digest": {"offsets": 1.01 * arrays["offsets"]},
    }
    for reason, change in changes.items():
        kept = {
            name: array for name, array in (arrays | {"header": header} | change).items() if array is not None
        }
        path.write_bytes(archive(**kept))
        with pytest.raises(ValueError, match=f"is not a certificate or is damaged: .*{reason}"):
            certificates.load(path)
    path.write_bytes(archive(**arrays, header=header))
    assert certificates.digest(certificates.load(path)) == certificates.digest(made)  # the control


def test_a_broken_task_has_a_row_and_the_others_are_proven(write_task, safebench, tmp_path, monkeypatch):
    folder = write_task(name="fine.py")
    certificates.save(
        dataclasses.replace(registry.make_task("pendulum", "compiled").certificate, task="my-task"),
        folder / "certificates" / "fine.npz",
    )
    (folder / "broken.py").write_text("def make(:")
    (folder / "half.py").write_text("def make(): pass")
    code, output, error = safebench("certify", "broken.py", "./fine.py", "half.py", "./fine.py")
    assert (code, error) == (1, "")
    assert rows(output) == {"./fine.py": "proven", "broken.py": "none", "half.py": "none"}
    assert "NOT PROVEN broken.py: broken.py: line 1" in output
    assert "SyntaxError" in output
    assert "NOT PROVEN half.py: 'half' is not a task: half.py defines no synthesise" in output


def test_broken_entry_points_do_not_stop_the_proof_of_others(write_task, tmp_path, safebench, monkeypatch):
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[safebench.tasks]\npendulum = rival_tasks\nends = rival_tasks\nabsent = no_such_module\n"
    )
    (tmp_path / "rival_tasks.py").write_text("import sys\nsys.exit('[/bye]')\n")
    monkeypatch.setattr("sys.path", [*__import__("sys").path, str(tmp_path)])
    code, output, error = safebench("certify", "pendulum")
    assert (code, rows(output), error) == (0, {"pendulum": "proven"}, "")
    code, output, error = safebench("certify", "ends", "pendulum")
    assert (code, rows(output), error) == (1, {"pendulum": "proven", "ends": "none"}, "")
    assert "it calls sys.exit('[/bye]')" in output


def test_the_table_is_never_cut(write_task, monkeypatch):
    from safebench.commands import certify, console

    proven = certify.shipped("pendulum", console.make())
    monkeypatch.setenv("COLUMNS", "40")
    narrow = console.make()
    with narrow.capture() as captured:
        certify.show([proven], False, narrow)
    assert "…" not in captured.get()
    for heading in ("volume %", "lambda", "float32"):
        assert heading in captured.get()
