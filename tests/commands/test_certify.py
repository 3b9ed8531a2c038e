"""`safebench certify`: a proof passes, a corrupted file does not."""

import dataclasses

import numpy as np
import pytest

from safebench import registry


def test_certify_proves_the_pendulum_and_refuses_a_corrupted_file(tmp_path, task_of, safebench):
    from safebench.sets import certificate

    assert safebench("certify", "pendulum")[0] == 0
    proven = task_of("pendulum").certificate
    certificate.save(dataclasses.replace(proven, offsets=1.02 * proven.offsets), tmp_path / "wrong.npz")
    good = tmp_path / "good.npz"
    certificate.save(proven, good)
    whole = good.read_bytes()
    (tmp_path / "damaged.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("wrong", "damaged"):
        code, output, _ = safebench("certify", "pendulum", "--certificate", str(tmp_path / f"{name}.npz"))
        assert code == 1, output
        assert "NOT PROVEN" in output
    assert safebench("certify", "pendulum", "--certificate", str(good))[0] == 0


def test_certify_reports_where_mjx_does_otherwise(safebench, monkeypatch):
    from safebench.physics import agreement

    honest, error = agreement.mjx_steps, np.array([0.0, 1e-9])
    monkeypatch.setattr(agreement, "mjx_steps", lambda model: lambda x, a: honest(model)(x, a) + error)
    code, output, _ = safebench("certify", "pendulum")
    assert code == 1
    assert "NOT PROVEN pendulum: MJX does not do what was proven: the next thetadot is" in output
    assert "no single number of the model explains it" in output


def test_list_and_certify_name_a_task_whose_model_was_changed(safebench, monkeypatch):
    from safebench.tasks import pendulum

    honest = pendulum.shipped_model

    def sprung(name):
        model = honest(name)
        model.jnt_stiffness[:] = 1.0
        return model

    monkeypatch.setattr(pendulum, "shipped_model", sprung)
    code, output, _ = safebench("list", "tasks")
    assert code == 0
    assert "task 'pendulum': " in output
    assert output.count("FAILS") == 1  # the others are still listed
    code, output, _ = safebench("certify", "pendulum")
    assert code == 1
    assert "NOT PROVEN pendulum: task 'pendulum': " in output
    assert "proven for other dynamics" in output
    with pytest.raises(ValueError, match="task 'pendulum': "):
        registry.make_task("pendulum", "compiled")
