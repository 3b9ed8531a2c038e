"""Records of tuning: which try is chosen, files, and that shipped settings are those the records chose."""

import dataclasses
import json
from pathlib import Path

import pytest
import synthetic_results

from safebench import registry
from safebench.record import tuning
from safebench.record.strict_json import plain
from safebench.record.tuning import Reached, Try, Tuning
from safebench.runs import suites
from safebench.runs import tuning as searches

COMMITTED = sorted((Path(__file__).parents[2] / "results" / "tuning").glob("*/*.json"))


def test_the_best_has_the_lowest_sum_of_ranks():
    tries = [
        {"none": (1.0, 3.0), "ray-mask": (5.0, 5.0)},  # third, second
        {"none": (4.0, 4.0), "ray-mask": (4.0, 4.0)},  # first, third
        {"none": (3.0, 3.0), "ray-mask": (6.0, 6.0)},  # second, first
    ]
    assert tuning.best(tries) == 2
    assert tuning.best(tries[:2]) == 0  # two sums of three: the first


@pytest.mark.parametrize("bad", [None, float("nan"), float("-inf")])
def test_a_seed_that_is_not_finite_makes_its_try_the_last(bad):
    tries = [{"none": (100.0, bad)}, {"none": (-5.0, -5.0)}, {"none": (-4.0, -4.0)}]
    assert tuning.best(tries) == 2
    assert tuning.best(tries[:2]) == 1
    assert tuning.best([{"none": (100.0, 100.0)}, *tries[1:]]) == 0  # the control


def test_a_record_comes_back_and_a_strange_one_is_refused(tmp_path):
    reached = (Reached("none", (-1.0, None), 3), Reached("ray-mask", (-2.0, -3.0), 0))
    found = Tuning(
        "pendulum",
        "apg",
        (1000, 1001),
        100,
        "compiled",
        {"window": [16, 32]},
        (Try({"window": 16}, reached),),
        0,
        synthetic_results.make().provenance,
    )
    path = tmp_path / "pendulum" / "apg.json"
    tuning.write(found, path)
    assert tuning.load(path) == found
    path.write_text(json.dumps(plain(found) | {"chosen": -1}))
    with pytest.raises(ValueError, match="chosen: must be at least 0"):
        tuning.load(path)


def test_there_are_records():
    tuned = {(path.parent.name, path.stem) for path in COMMITTED}
    assert tuned >= {("pendulum", learner) for learner in ("apg", "ppo", "shac")}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_settings_are_those_that_the_record_chose(path):
    """By the ruleset: as many tries as for every learner, the search space that the learner says, tuning
    seeds, the standard budget; and the choice is made again here."""
    found = tuning.load(path)
    assert (path.parent.name, path.stem) == (found.task, found.learner)
    assert (found.seeds, len(found.tries)) == (searches.SEEDS, searches.TRIES)
    assert found.interactions == suites.budget(found.task)
    plugin = registry.find("learner", found.learner)
    assert found.space == {name: plain(choices) for name, choices in searches.space(plugin).items()}
    drawn = searches.drawn(found.learner, found.task, searches.TRIES)
    for combination, one in zip(drawn, found.tries, strict=True):
        assert {f"learner.{name}": value for name, value in one.settings.items()} == {
            name: plain(_read(text)) for name, text in combination.items()
        }
        assert tuple(each.safeguard for each in one.reached) == searches.SAFEGUARDS
        assert all(each.violations == 0 for each in one.reached if each.safeguard != "none")
    returns = [{each.safeguard: each.final_return for each in one.reached} for one in found.tries]
    assert found.chosen == tuning.best(returns)
    shipped = plain(dataclasses.asdict(plugin.module.SETTINGS[found.task]))
    chosen = found.tries[found.chosen].settings
    assert {name: plain(shipped[name]) for name in chosen} == chosen
    assert found.provenance.dirty is False


def _read(text):
    import ast

    return ast.literal_eval(text)
