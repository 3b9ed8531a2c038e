"""Who plays, and where: a checkpoint's policy, or one that knows nothing, under one or more safeguards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import jax
from jaxtyping import PRNGKeyArray

from safebench import registry
from safebench.env import rollout
from safebench.env.environment import Env
from safebench.env.rollout import Act
from safebench.env.task import Task
from safebench.runs import checkpoint
from safebench.runs.api import make
from safebench.runs.precision import Precision, start
from safebench.runs.prepare import prepare
from safebench.sets import certificate as certificates

Policy = Literal["random", "zero"]


class Player(NamedTuple):
    """What proposes actions, and where.

    environments: one per safeguard. policy: what it is called. learned: None for one that knows nothing.
    """

    task: Task
    safeguards: tuple[str, ...]
    environments: tuple[Env, ...]
    policy: str
    learned: Act | None

    def act_for(self, steps: int, key: PRNGKeyArray) -> Act:
        """The policy of one episode; `key` decides random actions."""
        if self.learned is not None:
            return self.learned
        actions = len(self.task.action_names)
        if self.policy == "random":
            return rollout.random_actions(actions, steps, key)
        return rollout.zero_actions(actions)


def choose(
    source: Path | None,
    task: str | None,
    safeguards: Sequence[str],
    policy: Policy,
    physics: str,
    seed: int,
) -> Player:
    """A trained player from `source`, or an untrained one on `task`; sets jax up in the precision it needs.

    source: a checkpoint, or a result file with one beside it.

    Raises:
        ValueError, LookupError: for neither or both of `source` and `task`, and as `trained` and `untrained`.
    """
    if (source is None) == (task is None):
        raise ValueError("say what to play: either a checkpoint or result, or -t TASK -g SAFEGUARD")
    if task is not None and not safeguards:
        raise ValueError("-t TASK needs a safeguard: -g NAME, or -g none")
    if source is not None:
        folder = checkpoint.find(source)
        start(cast(Precision, checkpoint.load(folder).precision))
        return trained(folder, seed, safeguards)
    start("float64")
    return untrained(str(task), safeguards, policy, physics)


def trained(folder: Path, seed: int, safeguards: Sequence[str]) -> Player:
    """The policy of one seed from a checkpoint.

    safeguards: other than the one it was trained with (none given: that one).

    Raises:
        ValueError: if the checkpoint is damaged, or the task's certificate or a plug-in's file is another one
            by now.
        LookupError: for a seed or name that does not exist.
    """
    description = checkpoint.load(folder)
    if seed not in description.seeds:
        known = ", ".join(map(str, description.seeds))
        raise LookupError(f"{folder} has no seed {seed}; it has {known}")
    prepared = prepare(checkpoint.cell_of(description))
    if description.certificate not in certificates.known_digests(prepared.task.certificate):
        raise ValueError(f"{folder}: was trained with another certificate of {description.task!r}")
    sources = checkpoint.sources_of(prepared.task_record, prepared.safeguard_record, prepared.learner_record)
    if sources != description.sources:
        before, now = description.sources or {}, sources or {}
        kind = next(kind for kind in {**before, **now} if before.get(kind) != now.get(kind))
        raise ValueError(f"{folder}: the file of its {kind} has changed since it was trained")
    keys = jax.ShapeDtypeStruct((len(description.seeds),), jax.random.key(0).dtype)
    learner = prepared.learner
    shapes = jax.eval_shape(jax.vmap(lambda key: learner.policy(learner.initialise(key))), keys)
    policies = checkpoint.restore(folder, shapes)
    policy = jax.tree.map(lambda leaf: leaf[description.seeds.index(seed)], policies)
    names = tuple(safeguards) or (description.safeguard,)
    environments = tuple(
        prepared.env if name == description.safeguard else make(prepared.task, name) for name in names
    )
    return Player(
        prepared.task,
        names,
        environments,
        f"{description.learner}, seed {seed}",
        lambda step, observation: learner.act(policy, observation),
    )


def untrained(task_name: str, safeguards: Sequence[str], policy: Policy, physics: str) -> Player:
    """A policy that knows nothing: random or zero actions.

    Raises:
        LookupError: for an unknown name.
    """
    task = registry.make_task(task_name, physics)
    environments = tuple(make(task, name) for name in safeguards)
    return Player(task, tuple(safeguards), environments, policy, None)
