"""Tampered files: each must be refused, with one clear line that says what is wrong."""

import copy
import dataclasses
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_results import DIGEST, make, of_version_2

from safebench.record import result, submission
from safebench.record.strict_json import plain
from safebench.record.submission import Standard


def standard_of(cell: result.Result) -> Standard:
    """The standard experiment of the synthetic cells."""
    if cell.task.name != "pendulum":
        raise LookupError(f"unknown task {cell.task.name!r}; known: pendulum")
    honest = make(safeguard=cell.safeguard.name)
    return Standard(
        task=honest.task,
        safeguard=honest.safeguard,
        learner=honest.learner,
        seeds=honest.seeds,
        budget=honest.interactions,
        episodes=64,
        precision="float64",
        physics="mjx",
        certificates=frozenset({DIGEST}),
        points=result.standard_points(cell.schema_version),
        goal=cell.suite == "navigation",
    )


def submit(tmp_path, data: dict, name: str = "pendulum/ray-mask--shac.json") -> list[str]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return submission.check(path, standard_of)


@pytest.mark.parametrize("safeguard", ["ray-mask", "none"])
def test_an_honest_file_passes(tmp_path, safeguard):
    data = plain(make(safeguard=safeguard))
    assert submit(tmp_path, data, f"pendulum/{safeguard}--shac.json") == []


def test_compiled_physics_that_was_compared_passes(tmp_path):
    data = plain(make())
    data["physics"], data["equality"] = "compiled", {"states": 64, "compiled": 0.5, "mjx": 0.5}
    assert submit(tmp_path, data) == []


def test_a_setting_that_is_off_need_not_be_named(tmp_path):
    """A file from before the setting was there; one that is on is named."""
    data = plain(make())
    for value, complaints in ((None, 0), (0.1, 1)):
        data["learner"]["config"]["cost_limit"] = value
        found = submit(tmp_path, data)
        assert len(found) == complaints
        assert all("learner.config: differs from the standard in cost_limit" in line for line in found)


def test_a_seed_that_diverged_passes_when_it_is_named_and_not_certified(tmp_path):
    cell = make(safeguard="none")
    curve = dataclasses.replace(
        cell.runs[2].curve,
        return_mean=(*cell.runs[2].curve.return_mean[:-1], None),
        training=dataclasses.replace(
            cell.runs[2].curve.training, non_finite=(*[0] * 8, 5), correction=(*[0.0] * 8, None)
        ),
    )
    runs = (*cell.runs[:2], result.make_run(2, curve), *cell.runs[3:])
    named = dataclasses.replace(cell, runs=runs, non_finite_seeds=(2,))
    assert submit(tmp_path, plain(named), "pendulum/none--shac.json") == []
    hidden = dataclasses.replace(named, non_finite_seeds=())
    assert any(
        "non_finite_seeds" in line for line in submit(tmp_path, plain(hidden), "pendulum/none--shac.json")
    )


@pytest.mark.parametrize(
    ("horizon", "changed", "complaints"),
    [
        (240, (), 0),
        (60, ("evaluation_horizon",), 0),
        (60, ("evaluation_starts",), 1),
        (480, ("evaluation_horizon",), 1),
    ],
)
def test_an_evaluation_is_shorter_than_the_task_only_where_that_is_named(horizon, changed, complaints):
    cell = make()
    other = dataclasses.replace(
        cell,
        evaluation=result.Evaluation(64, horizon),
        settings=result.Settings(not changed, changed),
    )
    found = [line for line in submission.consistency(other) if line.startswith("evaluation.horizon")]
    assert len(found) == complaints


def edited_final_return(data):
    data["runs"][1]["final"]["return_mean"] = -1.0


def edited_last_point(data):
    data["runs"][1]["curve"]["return_mean"][-1] = -1.0


def edited_reference_return(data):
    data["runs"][0]["final"]["reference_return"] = 0.0


def faster_learning(data):
    data["runs"][0]["final"]["interactions_to_95"] = 12_500


def violation_in_a_certified_cell(data):
    curve = data["runs"][0]["curve"]["training"]
    curve["violations"][-1] = curve["departures"][-1] = 1
    curve["worst_margin"][-1] = 0.1
    data["runs"][0]["training"] |= {"violations": 1, "departures": 1, "worst_margin": 0.1}


def infeasible_in_a_certified_cell(data):
    data["runs"][0]["curve"]["evaluation"]["infeasible"][3] = 2
    data["runs"][0]["evaluation"]["infeasible"] = 2


def last_line_in_a_certified_cell(data):
    data["runs"][0]["curve"]["training"]["last_line"][-1] = 7
    data["runs"][0]["training"]["last_line"] = 7


def total_that_hides_an_intervention(data):
    data["runs"][0]["training"]["interventions"] -= 1


def counter_that_decreases(data):
    data["runs"][0]["curve"]["training"]["interventions"][2] = 90_000


def more_events_than_steps(data):
    data["runs"][0]["curve"]["evaluation"]["interventions"][0] = 10**7


def no_interventions_but_a_correction(data):
    for group in ("training", "evaluation"):
        data["runs"][0]["curve"][group]["interventions"] = [0] * 9
        data["runs"][0][group]["interventions"] = 0


def unknown_certificate(data):
    data["certificate"]["sha256"] = "cd" * 32


def unverified_certificate(data):
    data["certificate"]["verified"] = False


def missing_certificate(data):
    data["certificate"] = None


def malformed_certificate(data):
    data["certificate"]["sha256"] = "../../etc/passwd"


def null_return(data):
    data["runs"][0]["curve"]["return_mean"][-1] = None


def nan_return(data):
    data["runs"][0]["final"]["return_mean"] = float("nan")


def infinite_return(data):
    data["runs"][0]["curve"]["return_mean"][0] = float("inf")


def doubled_seed(data):
    data["runs"][1]["seed"] = 0


def dropped_seed(data):
    del data["runs"][3]


def copied_seed(data):
    data["runs"][4] = copy.deepcopy(data["runs"][0]) | {"seed": 4}


def other_seeds(data):
    for run in data["runs"]:
        run["seed"] += 100


def fewer_training_steps(data):
    for run in data["runs"]:
        run["curve"]["training"]["steps"] = [0] * 9


def longer_budget(data):
    data["interactions"] = 200_000


def truncated_column(data):
    data["runs"][0]["curve"]["return_mean"].pop()


def truncated_counter_column(data):
    data["runs"][0]["curve"]["training"]["violations"].pop()


def points_out_of_order(data):
    data["runs"][0]["curve"]["interactions"][1] = 0


def fewer_evaluation_episodes(data):
    data["evaluation"]["episodes"] = 1


def shorter_evaluation(data):
    data["evaluation"]["horizon"] = 10


def changed_learner(data):
    data["learner"]["config"]["gamma"] = 0.99


def changed_safeguard(data):
    data["safeguard"]["config"] = {}


def uncertified_safeguard(data):
    data["safeguard"]["certified"] = False


def other_task_version(data):
    data["task"]["version"] = 7


def admitted_change(data):
    data["settings"] = {"standard": False, "changed": ["learner.gamma"]}


def hidden_change(data):
    data["settings"]["changed"] = ["learner.gamma"]


def half_precision(data):
    data["precision"] = "float32"


def other_physics(data):
    data["physics"] = "plain"


def compiled_physics_of_an_older_version(data):
    data["physics"], data["schema_version"] = "compiled", 5


def compiled_physics_that_was_not_compared(data):
    data["physics"] = "compiled"


def compared_though_not_compiled(data):
    data["equality"] = {"states": 64, "compiled": 0.5, "mjx": 0.5}


def compiled_physics_that_differs(data):
    data["physics"] = "compiled"
    data["equality"] = {"states": 64, "compiled": 0.5, "mjx": 1.5}


def faster_than_its_time(data):
    data["timing"]["seconds_per_1000_interactions"] /= 10


def evaluated_for_longer_than_it_took(data):
    data["timing"]["evaluation_seconds"] = 1.01 * data["timing"]["train_seconds"]


def evaluated_for_an_unknown_time(data):
    data["timing"]["evaluation_seconds"] = None


def seconds_after_the_end(data):
    data["runs"][0]["curve"]["seconds"][-1] = 1e6


def from_the_future(data):
    data["provenance"]["utc"] = "2999-01-01T00:00:00Z"


def no_date(data):
    data["provenance"]["utc"] = "2026-13-45T00:00:00Z"


def path_in_the_task_name(data):
    data["task"]["name"] = "../../../tmp/evil"


def script_in_the_learner_name(data):
    data["learner"]["name"] = "<script>alert(1)</script>"


def newline_in_the_suite(data):
    data["suite"] = "quick\n"


def other_cell_than_its_path(data):
    data["safeguard"] |= {"name": "boundary-projection", "module": "boundary-projection"}


def unknown_task(data):
    data["task"]["name"] = "pendulum-easy"


def options_that_settings_do_not_name(data):
    data["task"]["options"] = {"length": 2}


def options_before_there_were_any(data):
    options_that_settings_do_not_name(data)
    data["schema_version"] = 3


def wrong_schema_version(data):
    data["schema_version"] = 99


def smuggled_field(data):
    data["__reduce__"] = "os.system"


def missing_field(data):
    del data["runs"][0]["evaluation"]


def negative_violations(data):
    data["runs"][0]["training"]["violations"] = -1


def text_for_a_number(data):
    data["runs"][0]["final"]["return_mean"] = "-8.4"


TAMPERINGS = {
    edited_final_return: r"seed 1: final\.return_mean is -1\.0, but its curve gives",
    edited_last_point: r"seed 1: final\.return_mean .* but its curve gives -1\.0",
    edited_reference_return: r"seed 0: final\.reference_return",
    faster_learning: r"seed 0: final\.interactions_to_95 is 12500",
    violation_in_a_certified_cell: "seed 0: training: 1 violations in a certified cell",
    infeasible_in_a_certified_cell: "seed 0: evaluation: 2 infeasible in a certified cell",
    last_line_in_a_certified_cell: "seed 0: training: 7 last_line in a certified cell",
    total_that_hides_an_intervention: r"seed 0: training\.interventions is 29999, but its curve gives 30000",
    counter_that_decreases: r"curve\.training\.interventions decreases",
    more_events_than_steps: "10000000 interventions in 15600 steps",
    no_interventions_but_a_correction: "0 interventions, but a correction of",
    unknown_certificate: r"certificate: cdcdcdcdcdcd\.\.\. is not known for pendulum",
    unverified_certificate: "certificate: was not verified",
    missing_certificate: "certificate: is missing",
    malformed_certificate: r"certificate\.sha256: '\.\./\.\./etc/passwd' does not match",
    null_return: r"seed 0: final\.return_mean",
    nan_return: "NaN is not allowed",
    infinite_return: "Infinity is not allowed",
    doubled_seed: "seeds: a seed occurs twice",
    dropped_seed: "seeds: 3 missing",
    copied_seed: "seeds 0 and 4 have the same curve",
    other_seeds: "seeds: 100, 101, 102, 103, 104 not part of the standard experiment",
    fewer_training_steps: r"curve\.training\.steps differ from curve\.interactions",
    longer_budget: "the curve ends at 100000 interactions, not at 200000",
    truncated_column: r"curve columns differ in length \(return_mean has 8",
    truncated_counter_column: r"curve columns differ in length \(training\.violations has 8",
    points_out_of_order: r"curve\.interactions do not increase",
    fewer_evaluation_episodes: r"evaluation\.episodes: 1 instead of 64",
    shorter_evaluation: r"evaluation\.horizon: 10, but the task's is 240",
    changed_learner: r"learner\.config: differs from the standard in gamma",
    changed_safeguard: r"safeguard\.config: differs from the standard in gradient",
    uncertified_safeguard: r"safeguard\.certified: False instead of True",
    other_task_version: r"task\.version: 7 instead of 1",
    admitted_change: r"not standard \(changed: learner\.gamma\)",
    hidden_change: "standard must be true exactly when nothing is changed",
    half_precision: "precision: float32 instead of float64",
    other_physics: "physics: plain instead of mjx",
    compiled_physics_of_an_older_version: "equality: compiled physics is standard only where it was compared",
    compiled_physics_that_was_not_compared: "equality: is not recorded in a file of version 6 with compiled",
    compared_though_not_compiled: "equality: is recorded in a file of version 6 with mjx physics",
    compiled_physics_that_differs: r"equality\.mjx: must be at most 1",
    faster_than_its_time: r"timing\.seconds_per_1000_interactions is",
    evaluated_for_longer_than_it_took: r"timing\.evaluation_seconds is 30\.3, more than the 30 of",
    evaluated_for_an_unknown_time: r"timing\.evaluation_seconds: is not recorded in a file of version 6",
    seconds_after_the_end: r"curve\.seconds end after",
    from_the_future: "lies in the future",
    no_date: "is no date",
    path_in_the_task_name: r"task\.name: '\.\./\.\./\.\./tmp/evil' does not match",
    script_in_the_learner_name: r"learner\.name: '<script>alert\(1\)</script>' does not match",
    newline_in_the_suite: r"suite: 'quick\\n' does not match",
    other_cell_than_its_path: "which its path does not say",
    unknown_task: "unknown task 'pendulum-easy'",
    options_that_settings_do_not_name: r"task\.options: settings\.changed does not name task\.length",
    options_before_there_were_any: r"task\.options: is recorded in a file of version 3",
    wrong_schema_version: "this version reads 1 to 6, not 99",
    smuggled_field: "'__reduce__': is not a field",
    missing_field: r"runs\[0\]\.evaluation: is missing",
    negative_violations: r"runs\[0\]\.training\.violations: must be at least 0",
    text_for_a_number: r"runs\[0\]\.final\.return_mean: must be a number, not a string",
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_tampered_file_is_refused(tmp_path, tamper):
    data = plain(make())
    tamper(data)
    problems = submit(tmp_path, data)
    matching = [line for line in problems if re.search(TAMPERINGS[tamper], line)]
    assert matching, problems
    assert all("\n" not in line and len(line) < len(str(tmp_path)) + 300 for line in problems)


def test_a_removed_violation_is_refused(tmp_path):
    """An unguarded run that claims fewer violations than its margins show."""
    data = plain(make(safeguard="none"))
    for group in ("training", "evaluation"):
        for name in ("violations", "departures"):
            data["runs"][0]["curve"][group][name] = [0] * 9
            data["runs"][0][group][name] = 0
    problems = submit(tmp_path, data, "pendulum/none--shac.json")
    assert any("0 violations, but a worst margin of 0.5" in line for line in problems)


def test_more_violations_than_departures_are_refused(tmp_path):
    data = plain(make(safeguard="none"))
    data["runs"][0]["curve"]["training"]["departures"] = [0] * 9
    data["runs"][0]["training"]["departures"] = 0
    problems = submit(tmp_path, data, "pendulum/none--shac.json")
    assert any("departures from the set inside" in line for line in problems)


def success_edited_at_the_end(data):
    data["runs"][0]["curve"]["success"][-1] = 1.0


def more_success_than_there_is(data):
    data["runs"][0]["curve"]["success"][4] = 1.5


def faster_to_the_goal(data):
    data["runs"][0]["final"]["time_to_goal"] = 1.0


def success_without_a_time(data):
    data["runs"][0]["curve"]["time_to_goal"][4] = None


def a_time_without_success(data):
    data["runs"][0]["curve"]["time_to_goal"][0] = 5.0


def sooner_than_one_step(data):
    data["runs"][0]["curve"]["time_to_goal"][4] = 0.04


def later_than_the_episode(data):
    data["runs"][0]["curve"]["time_to_goal"][4] = 12.1


def no_times(data):
    data["runs"][0]["curve"]["time_to_goal"] = None


def success_of_some_seeds(data):
    data["runs"][0]["curve"]["success"] = data["runs"][0]["curve"]["time_to_goal"] = None


def success_of_no_seed(data):
    for run in data["runs"]:
        for name in ("success", "time_to_goal"):
            run["curve"][name] = run["final"][name] = None


def truncated_success(data):
    data["runs"][0]["curve"]["success"].pop()


def truncated_switches(data):
    data["runs"][0]["curve"]["evaluation"]["switches"].pop()


def no_switches(data):
    data["runs"][0]["curve"]["evaluation"]["switches"] = data["runs"][0]["evaluation"]["switches"] = None


def fewer_switches(data):
    data["runs"][0]["training"]["switches"] = 3


def switches_that_decrease(data):
    data["runs"][0]["curve"]["training"]["switches"][2] = 39_000


def more_switches_than_steps(data):
    data["runs"][0]["curve"]["evaluation"]["switches"][0] = 15_601


def episodes_violated_without_a_violation(data):
    data["runs"][0]["curve"]["violated"][3] = 0.5


def half_an_episode(data):
    data["runs"][0]["curve"]["violated"][3] = 0.5 / 64


def no_violated_episodes(data):
    data["runs"][0]["curve"]["violated"] = None


def an_older_version(data):
    data["schema_version"] = 2


GOAL_TAMPERINGS = {
    success_edited_at_the_end: r"seed 0: final\.success is 0\.75, but its curve gives 1\.0",
    more_success_than_there_is: r"curve\.success\[4\]: must be at most 1",
    faster_to_the_goal: r"seed 0: final\.time_to_goal is 1\.0, but its curve gives 6\.5",
    success_without_a_time: r"seed 0: curve\.success: 0\.375, but a time to the goal of None",
    a_time_without_success: r"seed 0: curve\.success: 0\.0, but a time to the goal of 5\.0",
    sooner_than_one_step: r"curve\.time_to_goal: 0\.04 s is no time in 240 steps of 0\.05 s",
    later_than_the_episode: r"curve\.time_to_goal: 12\.1 s is no time in 240 steps of 0\.05 s",
    no_times: r"of curve\.success and curve\.time_to_goal one is recorded",
    success_of_some_seeds: "runs: only some seeds have a success",
    success_of_no_seed: r"curve\.success: is missing, but the task has a goal",
    truncated_success: r"curve columns differ in length \(success has 8",
    truncated_switches: r"curve columns differ in length \(evaluation\.switches has 8",
    no_switches: r"curve\.evaluation\.switches: is not recorded in a file of version 6",
    fewer_switches: r"seed 0: training\.switches is 3, but its curve gives 40000",
    switches_that_decrease: r"curve\.training\.switches decreases",
    more_switches_than_steps: "15601 switches in 15600 steps",
    episodes_violated_without_a_violation: r"curve\.violated: 32 of 64 episodes, but 0 violations",
    half_an_episode: r"curve\.violated: 0\.0078125 is no share of 64 episodes",
    no_violated_episodes: r"curve\.violated: is not recorded in a file of version 6",
    an_older_version: r"curve\.success: is recorded in a file of version 2",
}


@pytest.mark.parametrize("tamper", GOAL_TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_tampered_file_of_a_task_with_a_goal_is_refused(tmp_path, tamper):
    data = plain(make(success=0.75, suite="navigation"))
    assert submit(tmp_path, data) == []  # the control
    tamper(data)
    problems = submit(tmp_path, data)
    matching = [line for line in problems if re.search(GOAL_TAMPERINGS[tamper], line)]
    assert matching, problems
    assert all("\n" not in line and len(line) < len(str(tmp_path)) + 300 for line in problems)


def test_violations_of_episodes_that_are_not_counted_are_refused(tmp_path):
    """All violations may be in the paper's episode: no more than it has steps."""
    data = plain(make(safeguard="none"))
    for run in data["runs"]:
        run["curve"]["violated"] = [0.0] * 9
        run["final"]["violated"] = 0.0
    problems = submit(tmp_path, data, "pendulum/none--shac.json")
    assert any("curve.violated: 0 of 64 episodes, but 900 violations" in line for line in problems)
    last = data["runs"][0]["curve"]["evaluation"]["violations"][-1]
    assert last < 240
    assert not any(f"but {last} violations" in line for line in problems)


def test_success_where_the_task_has_no_goal_is_refused(tmp_path):
    (problem,) = submit(tmp_path, plain(make(success=0.5)))
    assert "curve.success: is there, but the task has no goal" in problem


@pytest.mark.parametrize("suite", ["quick", "navigation"])
def test_a_file_of_version_2_says_nothing_of_goals_and_passes(tmp_path, suite):
    assert submit(tmp_path, plain(of_version_2(make(suite=suite)))) == []


@pytest.mark.parametrize("period", [0.0, 5e-324, 1e308])
def test_any_control_period_can_be_checked(period):
    cell = make(success=0.5)
    odd = dataclasses.replace(cell, task=dataclasses.replace(cell.task, control_period=period))
    assert any("curve.time_to_goal" in line for line in submission.consistency(odd))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path, content):
    path = tmp_path / "pendulum" / "ray-mask--shac.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert len(submission.check(path, standard_of)) == 1


def test_truncation_anywhere_is_refused(tmp_path):
    text = json.dumps(plain(make(seeds=1, points=3)))
    path = tmp_path / "pendulum" / "ray-mask--shac.json"
    path.parent.mkdir()
    for length in range(0, len(text), 97):
        path.write_text(text[:length])
        (problem,) = submission.check(path)
        assert "truncated" in problem


HONEST = plain(make(points=3, success=0.75, suite="navigation"))


def _numbers(value, place=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, (*place, index))
    elif type(value) in (int, float):
        yield place


# Numbers that nothing else in the file determines: only a re-run can tell. Everything else is caught.
FREE = {"seconds", "compile_seconds", "evaluation_seconds", "worst_margin", "correction"}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_edited_number_is_refused(tmp_path, data):
    place = data.draw(st.sampled_from(list(_numbers(HONEST))))
    factor = data.draw(st.sampled_from([0, -1, 0.5, 2, 1000]))
    edited = copy.deepcopy(HONEST)
    target = edited
    for key in place[:-1]:
        target = target[key]
    old = target[place[-1]]
    target[place[-1]] = type(old)(old * factor)
    problems = submit(tmp_path, edited)
    inner_point = "curve" in place and place[-1] != 2
    free = bool(FREE & set(place)) or (
        inner_point
        and {"return_mean", "reference_return", "interventions", "switches", "success", "time_to_goal"}
        & set(place)
    )
    if target[place[-1]] != old and not free:
        assert problems, place
