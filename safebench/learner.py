"""What the author of a learner imports; everything of safebench that a learner needs, and no more.

A learner is a module with a frozen `Config`, `SETTINGS` (tuned configs by task name) and
`make(env, config, interactions) -> Learner`; see `baselines/shac.py`. `VARIANTS`, written out as a literal,
may give further names to the module: each with what it changes in the config. `SEARCH`, which maps
settings to tuples of choices, is what `safebench sweep --draw` draws from.
"""

from safebench.env.derivatives import smallest
from safebench.env.environment import Env, Episode, Outcome, Place
from safebench.env.require import (
    require_betas,
    require_choice,
    require_count,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_weight,
    require_widths,
    require_within,
)
from safebench.env.safety import Safety, total
from safebench.learning.applied_density import NoDensity, log_determinant, require_density
from safebench.learning.clip_gradient import clip_gradient
from safebench.learning.learner import Learner, Policy, Progress, Trained, TrainingState, keep_if, train
from safebench.learning.multiplier import (
    Multiplier,
    fresh_multiplier,
    move_multiplier,
    penalised,
    require_constraint,
)
from safebench.learning.networks import (
    MLP,
    Activation,
    Normaliser,
    absorb,
    forward,
    fresh_normaliser,
    normalise,
)
from safebench.learning.returns import lambda_returns, running_discount
from safebench.learning.tanh_gaussian import entropy, log_density
from safebench.learning.unroll import Steps, unroll

__all__ = [
    "MLP",
    "Activation",
    "Env",
    "Episode",
    "Learner",
    "Multiplier",
    "NoDensity",
    "Normaliser",
    "Outcome",
    "Place",
    "Policy",
    "Progress",
    "Safety",
    "Steps",
    "Trained",
    "TrainingState",
    "absorb",
    "clip_gradient",
    "entropy",
    "forward",
    "fresh_multiplier",
    "fresh_normaliser",
    "keep_if",
    "lambda_returns",
    "log_density",
    "log_determinant",
    "move_multiplier",
    "normalise",
    "penalised",
    "require_betas",
    "require_choice",
    "require_constraint",
    "require_count",
    "require_density",
    "require_each",
    "require_flag",
    "require_positive",
    "require_share",
    "require_weight",
    "require_widths",
    "require_within",
    "running_discount",
    "smallest",
    "total",
    "train",
    "unroll",
]
