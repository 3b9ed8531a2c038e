"""What the author of a safeguard imports; everything of safebench that a safeguard needs, and no more.

A safeguard is a module with `CERTIFIED`, a frozen `Config` and `make(config) -> Safeguard`:
see `safeguards/ray_mask.py`. `one_to_one(config) -> bool` may say that it maps the box one-to-one, with a
Jacobian that is never singular: then applied actions have a density (`safebench.learner.log_determinant`).
"""

from safebench.env.action_set import ActionSet, contains, slacks, tighten
from safebench.env.centre import Centre, finder
from safebench.env.derivatives import clip_to_box, near_least, safe_norm
from safebench.env.gauge import Ray, cast
from safebench.env.projection import project
from safebench.env.require import (
    require_choice,
    require_count,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_weight,
    require_within,
)
from safebench.env.safeguard import (
    Gradient,
    Guarded,
    Safeguard,
    Solve,
    finite_centre,
    guard,
    is_feasible,
)

__all__ = [
    "ActionSet",
    "Centre",
    "Gradient",
    "Guarded",
    "Ray",
    "Safeguard",
    "Solve",
    "cast",
    "clip_to_box",
    "contains",
    "finder",
    "finite_centre",
    "guard",
    "is_feasible",
    "near_least",
    "project",
    "require_choice",
    "require_count",
    "require_each",
    "require_flag",
    "require_positive",
    "require_share",
    "require_weight",
    "require_within",
    "safe_norm",
    "slacks",
    "tighten",
]
