"""What the author of a task imports; everything of safebench that a task needs, and no more.

A task is a module with `make(physics) -> Task` and `synthesise(progress) -> Certificate`: see
`tasks/pendulum.py`, or begin with `safebench new task NAME`. Its model and certificate lie beside its file:
`shipped_model(__file__)` and `shipped_certificate(__file__, dynamics)` find them.
"""

from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.derivatives import safe_norm
from safebench.env.picture import Discs, JointMap, Links, Picture
from safebench.env.safe_set import moving_set
from safebench.env.shipped import shipped_certificate, shipped_model
from safebench.env.task import (
    STARTS,
    Context,
    Task,
    allowed,
    reset,
    uniform_disturbance,
    uniform_starts,
)
from safebench.household.house import discomfort, heated_house
from safebench.household.profiles import (
    heating_season,
    hour_of,
    household_observation,
    invented_year,
    read_hours,
    require_hours,
)
from safebench.household.tariff import electricity_cost
from safebench.navigation.among_discs import among_discs
from safebench.navigation.arm_among_discs import arm_among_discs
from safebench.navigation.arm_scenes import (
    ArmArena,
    ArmScene,
    arm_scenes,
    joint_map,
    joint_way,
    joint_way_length,
)
from safebench.navigation.crowd import crowd_clearance, next_corridors
from safebench.navigation.discs import by_distance, penetration
from safebench.navigation.geodesic import way
from safebench.navigation.joint_space import JointGrid, TwoLinks, arm_corners, distance_to_arm
from safebench.navigation.scenes import Arena, Scene, scenes
from safebench.physics.dynamics import Dynamics, Physics, linear, mechanical
from safebench.physics.kinematics import site_position
from safebench.sets.certificate import Certificate
from safebench.sets.polytope import Box, Polytope, box, half_spaces, symmetric_box
from safebench.sets.search import Progress, Search
from safebench.sets.synthesis import prove_safe_set

__all__ = [
    "STARTS",
    "Arena",
    "ArmArena",
    "ArmScene",
    "Box",
    "Certificate",
    "Context",
    "Corridor",
    "Corridors",
    "Discs",
    "Dynamics",
    "JointGrid",
    "JointMap",
    "Links",
    "Physics",
    "Picture",
    "Polytope",
    "Progress",
    "Scene",
    "Search",
    "Start",
    "Task",
    "TwoLinks",
    "allowed",
    "among_discs",
    "arm_among_discs",
    "arm_corners",
    "arm_scenes",
    "box",
    "by_distance",
    "crowd_clearance",
    "discomfort",
    "distance_to_arm",
    "electricity_cost",
    "half_spaces",
    "heated_house",
    "heating_season",
    "hour_of",
    "household_observation",
    "invented_year",
    "joint_map",
    "joint_way",
    "joint_way_length",
    "linear",
    "mechanical",
    "moving_set",
    "next_corridors",
    "penetration",
    "prove_safe_set",
    "read_hours",
    "require_hours",
    "reset",
    "safe_norm",
    "scenes",
    "shipped_certificate",
    "shipped_model",
    "site_position",
    "symmetric_box",
    "uniform_disturbance",
    "uniform_starts",
    "way",
]
