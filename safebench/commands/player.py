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

    environments: one per safeguard. policies: what they are called, one per safeguard.
    learned: the same of what proposes actions; empty for a policy that knows nothing.
    """

    task: Task
    safeguards: tuple[str, ...]
    environments: tuple[Env, ...]
    policies: tuple[str, ...]
    learned: tuple[Act, ...]

    def acts_for(self, steps: int, key: PRNGKeyArray) -> tuple[Act, ...]:
        """The policies of one episode, one per safeguard; `key` decides random actions."""
        if self.learned:
            return self.learned
        actions = len(self.task.action_names)
        if self.policies[0] == "random":
            act = rollout.random_actions(actions, steps, key)
        else:
            act = rollout.zero_actions(actions)
        return (act,) * len(self.environments)


def choose(
    sources: Sequence[Path],
    task: str | None,
    safeguards: Sequence[str],
    policy: Policy,
    physics: str,
    seed: int,
) -> Player:
    """A trained player from `sources`, or an untrained one on `task`; sets jax up in the precision it needs.

    sources: checkpoints, or result files with one beside them. The policy of a single one plays under all the
    safeguards, several play each under the one that it was trained with.

    Raises:
        ValueError, LookupError: for neither or both of `sources` and `task`, for several sources that cannot
            play in one scene, and as `trained` and `untrained`.
    """
    if bool(sources) == (task is not None):
        raise ValueError("say what to play: either a checkpoint or result, or -t TASK -g SAFEGUARD")
    if task is not None and not safeguards:
        raise ValueError("-t TASK needs a safeguard: -g NAME, or -g none")
    if len(sources) > 1 and safeguards:
        raise ValueError("several checkpoints play each under its own safeguard: leave out -g, or play one")
    if sources:
        folders = [checkpoint.find(source) for source in sources]
        _check_alike(folders)
        start(cast(Precision, checkpoint.load(folders[0]).precision))
        return together([trained(folder, seed, safeguards) for folder in folders])
    start("float64")
    return untrained(str(task), safeguards, policy, physics)


def _check_alike(folders: Sequence[Path]) -> None:
    first, *others = (checkpoint.load(folder) for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        for field in ("task", "physics", "precision", "certificate"):
            ours, theirs = getattr(first, field), getattr(other, field)
            if ours != theirs:
                raise ValueError(
                    f"{folder}: {field} {theirs}, but {ours} of {folders[0]}: they cannot play in one scene"
                )


def together(players: Sequence[Player]) -> Player:
    """Players of one task, side by side."""
    return Player(
        players[0].task,
        *(
            tuple(part for player in players for part in getattr(player, field))
            for field in Player._fields[1:]
        ),
    )


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
        (f"{description.learner}, seed {seed}",) * len(names),
        (lambda step, observation: learner.act(policy, observation),) * len(names),
    )


def untrained(task_name: str, safeguards: Sequence[str], policy: Policy, physics: str) -> Player:
    """A policy that knows nothing: random or zero actions.

    Raises:
        LookupError: for an unknown name.
    """
    task = registry.make_task(task_name, physics)
    environments = tuple(make(task, name) for name in safeguards)
    return Player(task, tuple(safeguards), environments, (policy,) * len(environments), ())
