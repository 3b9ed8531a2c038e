"""Sets that move: the environment trusts no proposed corridor, and safety does not depend on who proposes."""

import dataclasses
import functools

import corridor_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.env.adversary import proposal, somewhere
from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.env.filter import safety_filter
from safebench.runs import presets

BATCH, STEPS = 128, 60
SETS = corridor_task.moving_set


@functools.cache
def guard_of(name):
    _, module, config = presets.resolve(name)
    return module.make(config)


# ------------------------------------------------------------------------------- whoever proposes


def drawn(x, shape, spread=1.0):
    """Uniform numbers that look random from one state to the next: a move has no key."""
    digits = jnp.sum(jnp.abs(x) * jnp.array([1.0, 3.0, 5.0, 7.0]).astype(x.dtype) * 1e5).astype(jnp.int32)
    return jax.random.uniform(jax.random.key(digits), shape, x.dtype, -spread, spread)


def anywhere(x, scene, corridor):
    """A corridor like any other, but for where the body is."""
    return Corridor(*jnp.sort(drawn(x, (2, 2), corridor_task.ARENA), axis=0))


def upside_down(x, scene, corridor):
    """A thin one around the references of x, its sides exchanged."""
    low, high = safe_set.references(SETS(), x, corridor)
    return Corridor(high + 1e-3, low - 1e-3)


def not_a_number(x, scene, corridor):
    """One side is none."""
    chosen = jnp.floor(2 * drawn(x, ()) + 2).astype(int)
    side = (jnp.arange(4) == jnp.clip(chosen, 0, 3)).reshape(2, 2)
    bad = jnp.where(drawn(x, (3,))[2] > 0, jnp.nan, jnp.inf)
    return Corridor(*jnp.where(side, bad, jnp.stack([corridor.low - 0.1, corridor.high + 0.1])))


def beyond(x, scene, corridor):
    """Room for everybody, outside of what the proof speaks of."""
    return Corridor(jnp.full(2, -50.0), jnp.full(2, 50.0))


def onto_a_disc(x, scene, corridor):
    """From the body to the middle of a disc: within the limits, and x lies in its set."""
    low, high = safe_set.references(SETS(), x, corridor)
    there = scene.discs.centre[jnp.where(drawn(x, ()) > 0, 0, 1)]
    return Corridor(jnp.minimum(low, there), jnp.maximum(high, there))


EVIL = (anywhere, upside_down, not_a_number, beyond, onto_a_disc)


def any_of_them(x, scene, corridor):
    """Another one in every scene, and in some the task's own."""
    both = [jnp.stack(move(x, scene, corridor)) for move in (*EVIL, corridor_task.move)]
    chosen = jnp.floor((drawn(jnp.tile(scene.goal, 2), ()) + 1) / 2 * len(both)).astype(int)
    return Corridor(*jnp.stack([each.astype(x.dtype) for each in both])[jnp.clip(chosen, 0, len(both) - 1)])


def with_corridors(**changes):
    """The small task with other functions for its corridors."""
    task = corridor_task.make()
    return dataclasses.replace(task, corridors=dataclasses.replace(task.corridors, **changes))


@functools.cache
def walk(move, guard="boundary-projection", steps=STEPS, precision="float64"):
    """BATCH episodes of an agent that heads for a disc: believed -> (safety, clearances, promises kept).

    believed: whether every proposed corridor counts as clear. One program for both, compiled once.
    """

    corridor_task.make()  # before anything is traced

    def episode(key, believed):
        def clearance(scene, corridor):
            return jnp.where(believed, jnp.inf, corridor_task.clearance(scene, corridor))

        task = with_corridors(move=move, clearance=clearance)
        env = Env(task, guard_of(guard))

        def step(episode, _):
            towards = episode.context.discs.centre[episode.steps // 30 % 2] - episode.x[:2]
            action = 4 * towards - 2 * episode.x[2:]
            following, outcome = env.advance(episode, action)
            clear = corridor_task.clearance(following.context, following.corridor)
            covered = safe_set.may_be(task.safe_set, following.corridor)
            inside = safe_set.contains(task.safe_set, following.x, following.corridor)
            return following, (outcome.safety, clear, covered & inside)

        return jax.lax.scan(step, env.begin(key), length=steps)[1]

    keys = jax.random.split(jax.random.key(0), BATCH)
    program = jax.jit(jax.vmap(episode, in_axes=(0, None)))
    return lambda believed: program(keys, believed)


def faults(safety) -> int:
    counted = (safety.violations, safety.departures, safety.infeasible, safety.last_line, safety.non_finite)
    return int(sum(jnp.sum(each) for each in counted))


def test_no_proposal_costs_safety():
    safety, clear, promised = walk(any_of_them)(believed=False)
    assert faults(safety) == 0
    assert float(clear.min()) >= 0
    assert bool(promised.all())
    assert int(safety.steps.sum()) == BATCH * STEPS
    assert int(safety.switches.sum()) > BATCH, "no proposal was ever taken"
    assert float(safety.worst_margin.max()) > -0.2, "nobody came near a disc"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "move"),
    [
        *(("boundary-projection", move) for move in EVIL),
        ("ray-mask", any_of_them),
        ("replacement", any_of_them),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_no_proposal_of_any_kind_costs_safety(move, guard):
    safety, clear, promised = walk(move, guard, steps=180)(believed=False)
    assert faults(safety) == 0
    assert float(clear.min()) >= 0
    assert bool(promised.all())
    never = move in (upside_down, not_a_number, beyond, onto_a_disc)
    assert never == (int(safety.switches.sum()) == 0)


def test_without_the_question_whether_it_is_clear_the_same_proposals_collide():
    safety, clear, promised = walk(any_of_them)(believed=True)
    assert int(safety.violations.sum()) > 0
    assert float(clear.min()) < 0
    assert bool(promised.all())  # the proof does not speak of discs
    np.testing.assert_array_equal(safety.departures, safety.violations)  # no step left its corridor
    assert int(safety.infeasible.sum()) == 0


@pytest.mark.slow
def test_without_the_limits_of_the_proof_the_same_proposals_leave_the_box(monkeypatch):
    monkeypatch.setattr(tasks.safe_sets, "may_be", lambda made, corridor: jnp.array(True))
    empty = with_corridors(move=beyond, clearance=lambda scene, corridor: jnp.inf)
    out = dataclasses.replace(empty, excess=None)
    env = Env(out, guard_of("boundary-projection"))

    @jax.jit
    def run(key):
        def step(episode, _):
            episode, outcome = env.advance(episode, jnp.ones(2))
            return episode, outcome.safety.violations

        return jax.lax.scan(step, env.begin(key), length=120)[1].sum()

    assert run(jax.random.key(0)) > 0


@pytest.mark.slow
def test_single_precision_keeps_the_promise(single_precision):
    safety, clear, promised = walk(any_of_them, precision="float32")(believed=False)
    assert clear.dtype == jnp.float32
    assert faults(safety) == 0
    assert float(clear.min()) >= 0
    assert bool(promised.all())
    assert int(safety.switches.sum()) > BATCH


@pytest.mark.slow
def test_a_corridor_is_taken_just_where_it_may_be():
    """`moved` against the definition, by numpy, for random proposals at states anywhere."""
    task, made = corridor_task.make(), SETS()
    keys = jax.random.split(jax.random.key(3), 2000)

    @jax.jit
    @jax.vmap
    def draw(key):
        first, second = jax.random.split(key)
        start = somewhere(task, first)
        asked, _ = proposal(second, made, start.x, start.corridor)
        stated = with_corridors(move=lambda x, scene, corridor: asked)
        return start, asked, tasks.moved(stated, *start)

    (x, scene, corridor), asked, taken = jax.tree.map(np.asarray, draw(keys))
    rates = made.base_normals @ made.translations
    room = made.base_offsets - x @ made.base_normals.T
    inside = np.ones(len(x), bool)
    for axis in (0, 1):  # a reference between both sides that leaves x - T r in the base set
        up, down = rates[:, axis] < 0, rates[:, axis] > 0
        most = np.min(room[:, up] / -rates[up, axis], axis=1, initial=np.inf)
        least = np.max(-room[:, down] / rates[down, axis], axis=1, initial=-np.inf)
        inside &= np.maximum(least, asked.low[:, axis]) <= np.minimum(most, asked.high[:, axis])
    lower, upper = asked.low + made.free_low, asked.high + made.free_high
    nearest = np.clip(scene.discs.centre, lower[:, None], upper[:, None])
    clear = np.linalg.norm(nearest - scene.discs.centre, axis=2) >= scene.discs.radius
    covered = (asked.low <= asked.high) & (np.maximum(-asked.low, asked.high) <= made.translation_limits)
    expected = covered.all(axis=1) & inside & clear.all(axis=1)
    for side in range(2):
        np.testing.assert_array_equal(taken[side], np.where(expected[:, None], asked[side], corridor[side]))
    assert 0.05 < expected.mean() < 0.95
    for one, others in ((covered.all(axis=1), inside & clear.all(axis=1)), (inside, covered.all(axis=1))):
        assert (~one & others).any()
    assert (~clear.all(axis=1) & inside & covered.all(axis=1)).any()  # each part decides somewhere


# -------------------------------------------------------------------------------------- gradients


@functools.cache
def way_right():
    """Returns of 25 steps to the goal as a function of the actions, and the switches on the way."""
    env = Env(corridor_task.make(), guard_of("ray-mask"))
    start = env.begin(jax.random.key(0))

    def returns(actions):
        def step(episode, action):
            following, outcome = env.advance(episode, action)
            return following, (outcome.reward, outcome.safety.switches, outcome.observation)

        _, (rewards, switches, observed) = jax.lax.scan(step, start, actions)
        return rewards.sum(), (switches, observed)

    return jax.jit(jax.value_and_grad(returns, has_aux=True))


@pytest.mark.slow
def test_gradients_are_finite_across_switches():
    actions = 0.3 * np.random.default_rng(0).uniform(-1, 1, (25, 2)) + [0.4, 0.0]
    (_, (switches, _)), gradient = way_right()(actions)
    assert switches.sum() > 5
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient[:, 0]) > 0).mean() > 0.5


def test_no_gradient_flows_through_a_corridor():
    task, start = corridor_task.make(), corridor_task.begin(jax.random.key(0))
    x = start.x + jnp.array([0.02, 0.0, 0.3, 0.1])

    wide = Corridor(start.corridor.low - 0.5, start.corridor.high + 0.5)

    @jax.jit
    @jax.jacrev
    def derivatives(x):
        moved = tasks.moved(task, x, start.context, start.corridor)
        return jnp.concatenate(moved), jnp.concatenate(safe_set.references(SETS(), x, wide))

    moved, own = derivatives(x)
    assert not moved.any()
    assert own.any()  # the control: what the rule is made of has one
    after = jax.jit(lambda x: tasks.moved(task, x, start.context, start.corridor))(x)
    assert not np.array_equal(after.low, start.corridor.low)


# ------------------------------------------------------------------------- other ways to drive it


@pytest.mark.slow
def test_brax_wrappers_drive_a_set_that_moves():
    from brax.envs.wrappers.training import wrap

    env = wrap(Env(corridor_task.make(), guard_of("boundary-projection")), episode_length=6)
    state = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), 4))
    first = state.pipeline_state.corridor
    step, switches = jax.jit(env.step), 0
    for _ in range(6):
        state = step(state, jnp.ones((4, 2)))
        switches += int(state.metrics["switches"].sum())
        assert state.metrics["violations"].sum() == 0
    assert state.done.all()
    assert switches > 4
    np.testing.assert_array_equal(state.pipeline_state.corridor.low, first.low)  # reset with the state
    assert state.obs.shape == (4, 10)


@pytest.mark.slow
def test_the_filter_takes_the_corridor_and_asks_for_it():
    task = corridor_task.make()
    env, guarded = Env(task, guard_of("ray-mask")), safety_filter(task, guard_of("ray-mask"))
    episode, step, changed = env.begin(jax.random.key(0)), jax.jit(env.advance), 0
    for seed in range(20):
        action = np.random.default_rng(seed).uniform(-1, 1, 2)
        ours = guarded(episode.x, action, episode.corridor)
        episode, outcome = step(episode, action)
        np.testing.assert_allclose(ours.action, outcome.applied, rtol=0, atol=1e-12)
        changed += bool(ours.distance > 1e-6)
    assert changed > 0
    with pytest.raises(ValueError, match="corridor has 0 entries, the safe set of 'corridor' moves along 2"):
        guarded(episode.x, np.zeros(2))
    fixed = Corridor(np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="corridor has 1 entries"):
        guarded(episode.x, np.zeros(2), fixed)
