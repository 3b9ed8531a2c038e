"""`safebench verify`: the verdict on every file, and a seed trained again."""

from dataclasses import replace
from pathlib import Path

from safebench.commands import verify
from safebench.record import files

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "results" / "quick" / "pendulum" / "ray-mask--shac.json"


def test_each_file_has_its_own_verdict_and_one_refusal_fails_the_command(tmp_path, safebench):
    damaged = tmp_path / "pendulum" / "none--shac.json"
    damaged.parent.mkdir()
    damaged.write_text(GOOD.read_text()[:1000])
    code, output, error = safebench("verify", str(GOOD), str(damaged))
    assert code == 1, error
    assert f"accepted {GOOD}" in output
    assert f"refused {damaged}" in output
    assert safebench("verify", str(GOOD))[0] == 0


def test_an_accepted_file_is_trained_again_and_a_refused_one_is_not(tmp_path, safebench, monkeypatch):
    damaged = tmp_path / "none--shac.json"
    damaged.write_text("{")
    again = []

    def rerun(found, seed):
        again.append((found.title, seed))
        yield "seed 3: return after 100 interactions was -8.0, is -9.0 when run again"

    monkeypatch.setattr(verify.reproduce, "rerun", rerun)
    code, output, _ = safebench("verify", "--rerun", "3", str(damaged), str(GOOD))
    assert code == 1
    assert again == [(files.load(GOOD).title, 3)]
    assert f"refused {GOOD}: seed 3: return after 100" in output
    assert "accepted /" not in output


def test_a_seed_that_is_not_there_is_one_clear_line(safebench):
    code, _, error = safebench("verify", "--rerun", "99", str(GOOD))
    assert code == 2
    assert "has no seed 99" in error


def test_a_result_of_a_superseded_certificate_is_accepted_but_not_trained_again(task_of, tmp_path, safebench):
    """The set is the same; the margin for rounding, and so the last bits of a run, are not."""
    old = task_of("pendulum", "compiled").certificate.supersedes[-1]
    found = files.load(GOOD)
    stamped = replace(found, certificate=replace(found.certificate, sha256=old))
    path = tmp_path / "pendulum" / GOOD.name
    files.write(stamped, path)
    assert safebench("verify", str(path))[0] == 0
    code, _, error = safebench("verify", "--rerun", "0", str(path))
    assert code == 2
    assert f"was trained under the certificate {old[:12]}" in error
    unknown = replace(found, certificate=replace(found.certificate, sha256="0" * 64))
    files.write(unknown, path)
    assert safebench("verify", str(path))[0] == 1
