"""Fair tuning: the same number of tries for every learner, drawn from the space that it says, on seeds that
no result uses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from safebench import registry
from safebench.plugin import Plugin
from safebench.record import tuning
from safebench.record.result import Result
from safebench.record.strict_json import plain
from safebench.record.tuning import Reached, Try, Tuning
from safebench.runs import provenance, settings
from safebench.runs.prepare import tuned
from safebench.runs.sweep import Combination

SEEDS = (1000, 1001, 1002)
"""Tuning seeds: those of results are 0 to 9."""

TRIES = 24
"""Of the ruleset."""

SAFEGUARDS = ("none", "boundary-projection")
"""With these a learner is tuned."""

REDRAWN = 100
"""Draws for each try wanted, before a space counts as too small."""


def space(plugin: Plugin) -> Mapping[str, tuple[Any, ...]]:
    """The choices of every setting that a learner's search is over.

    Raises:
        ValueError: if it says none.
    """
    found = vars(plugin.module).get("SEARCH", {})
    if not found:
        raise ValueError(f"{plugin.file}: defines no SEARCH: nothing to draw from for {plugin.name!r}")
    return found


def drawn(learner: str, task: str, tries: int) -> list[Combination]:
    """So many different settings of a learner for a task, the same at every call.

    Every setting is drawn uniformly from its choices; what the learner's Config refuses is drawn again.

    Raises:
        LookupError: for an unknown learner. ValueError: if its space has fewer settings.
    """
    plugin = registry.find("learner", learner)
    found: list[Combination] = []
    for combination in _draws(space(plugin), np.random.default_rng(0), REDRAWN * tries):
        if len(found) == tries:
            break
        if combination not in found and _accepted(plugin, task, combination):
            found.append(combination)
    if len(found) < tries:
        raise ValueError(
            f"{plugin.file}: SEARCH has fewer than {tries} settings that its Config accepts: "
            f"{len(found)} were drawn"
        )
    return found


def record(
    learner: str, task: str, combinations: Sequence[Combination], results: Sequence[Sequence[Result]]
) -> Tuning:
    """What the tries reached, and which is chosen. results: of every try, one for each safeguard."""
    plugin = registry.find("learner", learner)
    searched = space(plugin)
    tries = tuple(
        Try(
            {name: plain(_value(searched[name], text)) for name, text in _named(combination).items()},
            tuple(
                Reached(
                    result.safeguard.name,
                    tuple(run.final.return_mean for run in result.runs),
                    result.counted.violations,
                )
                for result in each
            ),
        )
        for combination, each in zip(combinations, results, strict=True)
    )
    first = results[0][0]
    returns = [{reached.safeguard: reached.final_return for reached in one.reached} for one in tries]
    return Tuning(
        task=first.task.name,
        learner=first.learner.name,
        seeds=first.seeds,
        interactions=first.budget or first.interactions,  # tries spend their last window or not
        physics=first.physics,
        space={name: plain(choices) for name, choices in searched.items()},
        tries=tries,
        chosen=tuning.best(returns),
        provenance=provenance.collect(),
    )


def _draws(
    choices: Mapping[str, tuple[Any, ...]], generator: np.random.Generator, most: int
) -> Iterator[Combination]:
    for _ in range(most):
        yield {f"learner.{name}": repr(each[generator.integers(len(each))]) for name, each in choices.items()}


def _named(combination: Combination) -> dict[str, str]:
    return {name.removeprefix("learner."): text for name, text in combination.items()}


def _accepted(plugin: Plugin, task: str, combination: Combination) -> bool:
    try:
        settings.with_options(tuned(plugin, task), _named(combination), "learner")
    except ValueError:
        return False
    return True


def _value(choices: Sequence[Any], text: str) -> Any:
    return next(choice for choice in choices if repr(choice) == text)
