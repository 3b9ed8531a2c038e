"""`safebench certify`: a proof passes, a corrupted file does not."""

import dataclasses


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
