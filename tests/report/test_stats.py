"""Statistics over few runs against scipy, published conventions and known data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import mannwhitneyu, trim_mean

from safebench.report import stats

finite = st.floats(-1e6, 1e6, allow_nan=False)
runs = st.lists(finite, min_size=1, max_size=20).map(np.array)


def pooled_iqm(tasks) -> float:
    """Interquartile mean of all runs of all tasks together."""
    return float(stats.iqm(np.concatenate(list(tasks))))


@given(runs)
def test_iqm_equals_scipy_trim_mean(values):
    assert float(stats.iqm(values)) == pytest.approx(trim_mean(values, 0.25), rel=1e-12, abs=1e-9)


def test_iqm_of_known_data():
    # Published convention (rliable): floor of a quarter off each end.
    assert float(stats.iqm(np.arange(8.0))) == pytest.approx(3.5)
    assert float(stats.iqm(np.array([1.0, 2, 3, 4, 100]))) == pytest.approx(3.0)
    assert float(stats.iqm(np.array([7.0]))) == 7.0
    # The paper's pendulum SHAC with boundary projection: 8 runs, middle four.
    finals = np.array([-8.416, -8.4254, -8.4111, -8.4457, -8.3597, -8.409, -8.4025, -8.3456])
    assert float(stats.iqm(finals)) == pytest.approx(-(8.416 + 8.4111 + 8.409 + 8.4025) / 4)


def test_diverged_runs_count_as_worst():
    one_of_five = stats.scores([1.0, 2.0, 3.0, 4.0, None])
    assert float(stats.iqm(one_of_five)) == pytest.approx(2.0)  # drops -inf and the 4
    assert float(stats.iqm(stats.scores([None, None, 3.0, 4.0]))) == -np.inf
    estimate = stats.iqm_interval([1.0, 2.0, 3.0, 4.0, None])
    assert estimate.low == -np.inf
    assert estimate.value == pytest.approx(2.0)
    assert stats.iqm_interval([None, None]) == (-np.inf, -np.inf, -np.inf)


def test_scores_need_a_run():
    with pytest.raises(ValueError, match="at least one run"):
        stats.scores([])
    with pytest.raises(ValueError, match="at least one run"):
        stats.bootstrap(pooled_iqm, [np.array([])])
    with pytest.raises(ValueError, match="confidence"):
        stats.bootstrap(pooled_iqm, [np.ones(3)], confidence=95)


def test_interval_agrees_with_scipy_bootstrap():
    values = np.random.default_rng(1).normal(10, 3, 30)
    ours = stats.iqm_interval(values, resamples=20_000)
    theirs = scipy_bootstrap(
        (values,),
        lambda x, axis: trim_mean(x, 0.25, axis=axis),
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.04 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.04 * width)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        estimate = stats.iqm_interval(rng.normal(0, 1, 20), resamples=500, seed=seed)
        hits += estimate.low <= 0 <= estimate.high
    # Percentile intervals of 20 runs are a little short: 0.95 is not reached, 0.85 must be.
    assert 0.85 <= hits / 200 <= 0.99


def test_stratified_bootstrap_resamples_within_tasks():
    """With identical runs inside each task nothing varies; mixing tasks would make it vary."""
    tasks = [np.full(5, 1.0), np.full(5, 100.0)]
    assert stats.bootstrap(pooled_iqm, tasks) == (50.5, 50.5, 50.5)
    mixed = stats.bootstrap(pooled_iqm, [np.concatenate(tasks)])  # the negative control
    assert mixed.low < 50.5 < mixed.high


def test_bootstrap_of_one_task_is_the_single_task_interval():
    values = np.random.default_rng(3).normal(size=10)
    assert stats.bootstrap(pooled_iqm, [values]) == pytest.approx(stats.iqm_interval(values))


def test_performance_profile_of_known_data():
    tasks = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 2.0])]
    profile = stats.performance_profile(tasks, np.array([-1.0, 1.5, 2.0, 5.0]))
    np.testing.assert_allclose(profile, [1.0, (0.5 + 1.0) / 2, (0.25 + 0.0) / 2, 0.0])
    low, high = stats.profile_interval(tasks, np.array([-1.0, 1.5, 5.0]))
    np.testing.assert_allclose(low[[0, 2]], [1.0, 0.0])
    np.testing.assert_allclose(high[[0, 2]], [1.0, 0.0])
    assert low[1] < 0.75 < high[1]


def test_profile_interval_is_the_bootstrap_of_the_profile():
    tasks = [np.random.default_rng(5).normal(size=12), np.random.default_rng(6).normal(size=7)]
    low, high = stats.profile_interval(tasks, np.array([0.2]), resamples=20_000)
    slow = stats.bootstrap(
        lambda drawn: float(stats.performance_profile(drawn, np.array([0.2]))[0]), tasks, resamples=4000
    )
    assert low[0] == pytest.approx(slow.low, abs=0.05)
    assert high[0] == pytest.approx(slow.high, abs=0.05)


@settings(deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.lists(st.integers(-5, 5), min_size=1, max_size=9)
)
def test_probability_of_improvement_equals_mann_whitney(first, second):
    ours = stats.probability_of_improvement([np.array(first, float)], [np.array(second, float)])
    statistic = mannwhitneyu(first, second).statistic
    assert ours == pytest.approx(statistic / (len(first) * len(second)))


def test_probability_of_improvement_averages_over_tasks():
    better, worse = np.array([2.0, 3.0]), np.array([0.0, 1.0])
    assert stats.probability_of_improvement([better, worse], [worse, worse]) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="same tasks"):
        stats.probability_of_improvement([better], [better, worse])
