"""`safebench report` and `safebench leaderboard` say what they wrote and left out."""

from pathlib import Path

import pytest

GOOD = Path(__file__).parents[2] / "results" / "quick" / "pendulum"


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_what_was_written_and_left_out_is_said(command, tmp_path, safebench):
    source = tmp_path / "results"
    (source / "pendulum").mkdir(parents=True)
    for name in ("none--shac.json", "ray-mask--shac.json"):
        (source / "pendulum" / name).write_text((GOOD / name).read_text())
    (source / "pendulum" / "cbf-qp--shac.json").write_text("{")
    out = tmp_path / "out"
    code, output, error = safebench(command, str(source), "--out", str(out))
    assert code == 0, error
    written = [line.strip() for line in output.splitlines() if line.startswith("  ")]
    assert written
    assert all(Path(path).is_relative_to(out) and Path(path).exists() for path in written)
    assert f"left out {source / 'pendulum' / 'cbf-qp--shac.json'}" in output
