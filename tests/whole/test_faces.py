"""The three faces: what a plug-in's author imports is there, and stays there."""

import importlib
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from safebench import registry

PROMISED = {
    "safebench.task": """
        Task Context Physics Dynamics mechanical linear Box box symmetric_box Polytope half_spaces Certificate
        Search Progress prove_safe_set shipped_model shipped_certificate site_position
        uniform_starts uniform_disturbance
        safe_norm reset allowed STARTS Corridor Corridors Start Discs Picture
        Arena Scene scenes among_discs by_distance penetration way
        moving_set next_corridors crowd_clearance
        ArmArena ArmScene JointGrid TwoLinks arm_scenes arm_among_discs arm_corners distance_to_arm
        joint_way joint_way_length joint_map JointMap Links
        heated_house discomfort electricity_cost household_observation hour_of
        invented_year read_hours heating_season require_hours
    """,
    "safebench.safeguard": """
        ActionSet contains slacks Gradient Guarded Safeguard guard finite_centre clip_to_box safe_norm project
        Ray cast Centre finder Solve is_feasible near_least tighten require_choice require_weight
        require_count require_each require_flag require_positive require_share require_within
    """,
    "safebench.learner": """
        Env Episode Outcome Place NoDensity log_determinant require_density
        Multiplier fresh_multiplier move_multiplier penalised require_constraint
        Safety total Learner Progress keep_if MLP forward Normaliser fresh_normaliser
        absorb normalise running_discount lambda_returns log_density entropy clip_gradient smallest
        Policy TrainingState Trained train Steps unroll Activation require_choice require_weight require_betas
        require_count require_each require_flag require_positive require_share require_widths require_within
    """,
}
"""Names that may not go: plug-ins of other people import them."""


@pytest.mark.parametrize("name", PROMISED)
def test_a_face_offers_what_it_promises(name):
    face = importlib.import_module(name)
    assert sorted(face.__all__) == sorted(PROMISED[name].split())
    for each in face.__all__:
        assert hasattr(face, each)
    with pytest.raises(AttributeError):
        face.nothing  # noqa: B018


TASK = '''
"""A pendulum whose author stated everything."""
from safebench.task import Task, shipped_certificate, uniform_disturbance, uniform_starts
from safebench.tasks import pendulum


def synthesise(progress=None):
    return pendulum.synthesise(progress)


def make(physics="mjx"):
    made = pendulum.make(physics)
    return Task(
        name="plugin", version=1, summary="a pendulum", control_period=0.05, horizon=240,
        state_names=("theta", "thetadot"), action_names=("torque",), dynamics=made.dynamics,
        constraints=made.constraints, disturbance=made.disturbance,
        certificate=shipped_certificate("pendulum", made.dynamics), safe_set=made.safe_set,
        starts=uniform_starts(made.certificate), begin=lambda key, x: (), observe=made.observe,
        reward=made.reward, advance=lambda context: context,
        disturb=uniform_disturbance(made.disturbance), reference_start=None,
    )
'''
SAFEGUARD = '''
"""The nearest end of the box."""
from dataclasses import dataclass
import jax.numpy as jnp
from safebench.safeguard import Gradient, Guarded, Safeguard, guard, require_choice, require_weight

CERTIFIED = True


@dataclass(frozen=True)
class Config:
    gradient: Gradient = "exact"
    regularisation: float = 0.0

    def __post_init__(self):
        require_choice("gradient", self.gradient, Gradient)
        require_weight("regularisation", self.regularisation)


def make(config=Config()) -> Safeguard:
    return lambda a, actions: guard(a, actions, lambda a, actions: actions.centre, config.gradient)
'''
LEARNER = '''
"""A learner that stands still."""
from dataclasses import dataclass
import jax
import jax.numpy as jnp
from safebench.learner import Learner, Progress, keep_if, train

SETTINGS = {}


@dataclass(frozen=True)
class Config:
    step: float = 0.0


def make(env, config, interactions) -> Learner:
    def update(episode):
        episode, outcome = env.advance(episode, jnp.zeros(env.action_size))
        zero = jnp.zeros(())
        return episode, Progress(outcome.safety, zero, zero, zero, jnp.zeros((), int))

    return Learner(env.begin, update, lambda state: (), lambda policy, seen: jnp.zeros(env.action_size), 1)
'''


@pytest.mark.slow
def test_plug_ins_written_for_the_faces_run(tmp_path):
    """Files as their authors wrote them before the wings were built, in a folder of their own."""
    for name, text in (("my_task", TASK), ("my_guard", SAFEGUARD), ("my_learner", LEARNER)):
        (tmp_path / f"{name}.py").write_text(text)
    code = (
        "import jax, safebench\n"
        "from safebench import registry\n"
        "env = safebench.make('./my_task.py', './my_guard.py', physics='compiled')\n"
        "learner = registry.load('learner', './my_learner.py')\n"
        "made = learner.make(env, learner.Config(), 8)\n"
        "trained = jax.jit(lambda key: learner.train(made, 8, key))(jax.random.key(0))\n"
        "print(int(trained.progress.safety.violations.sum()), trained.progress.safety.steps.shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("0 (8,)\n", "")


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_plug_ins_of_the_benchmark_need_nothing_else(kind, tmp_path, monkeypatch):
    """A copy of every shipped plug-in, with what lies beside it, works as a file of somebody else's."""
    home = resources.files(registry.PACKAGES[kind])
    for name in registry.names(kind):
        stem = name.replace("-", "_")
        if not (home / f"{stem}.py").is_file():
            continue  # a variant of another one, in the same file
        # A model keeps its own name as well: another one may include it.
        for part, copies in (
            ("{}.py", (f"copied_{stem}",)),
            ("assets/{}.xml", (f"copied_{stem}", stem)),
            ("certificates/{}.npz", (f"copied_{stem}",)),
        ):
            source = home / part.format(stem)
            for path in (tmp_path / part.format(copy) for copy in copies):
                path.parent.mkdir(exist_ok=True)
                if source.is_file():
                    path.write_bytes(source.read_bytes())
        path = tmp_path / f"copied_{stem}.py"
        module = registry.load(kind, str(path))
        if kind == "task":
            original = registry.load("task", name).make("compiled")
            copied = module.make("compiled")
            np.testing.assert_array_equal(copied.starts, original.starts)
        elif kind == "safeguard":
            assert callable(module.make(module.Config()))
        else:
            assert module.Config()
