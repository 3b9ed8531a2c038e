"""The figures that the paper published."""

import json

import pytest

from safebench.report import paper


def test_the_papers_figures_are_whole():
    archive = paper.load()
    assert len(archive.cells) == 45
    for cell in archive.cells:
        assert cell.runs == 10
        assert len(cell.returns) == len(cell.interactions_to_95) == cell.runs - cell.stuck
    assert archive.seconds("quadrotor", "ray-mask", "shac") == 12939
    assert len(archive.start_states["pendulum"]) == 2


def test_another_file_of_reference_figures(tmp_path):
    data = json.loads(paper.FILE.read_text())
    data["cells"] = data["cells"][:1]
    (tmp_path / "mine.json").write_text(json.dumps(data))
    assert len(paper.load(tmp_path / "mine.json").cells) == 1
    (tmp_path / "marked.json").write_text(json.dumps(data), encoding="utf-8-sig")
    with pytest.raises(ValueError, match=r"marked\.json: no file of reference figures: .*BOM"):
        paper.load(tmp_path / "marked.json")
    with pytest.raises(ValueError, match=r"absent\.json: no file of reference figures: No such file"):
        paper.load(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ValueError, match=r"bad\.json: no file of reference figures"):
        paper.load(tmp_path / "bad.json")
