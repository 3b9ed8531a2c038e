"""How much a cell may ask for: beyond these, programs hang, counters overflow, or no result file holds it."""

from safebench.env.require import require_count
from safebench.runs.cell import Cell

INTERACTIONS = 1_000_000_000
"""Of a seed. Steps are counted in 32 bits."""
SEEDS = 10_000
"""As many as a result file holds."""
LARGEST_SEED = 2**32 - 1
POINTS = 100_000
"""Evaluations of a run."""
STARTS = 100_000
"""Episodes of an evaluation."""
HORIZON = 100_000
"""Steps of an episode."""


def check(cell: Cell) -> None:
    """Raises: ValueError: for a number of a cell that is out of its bounds, or a seed named twice."""
    require_count("interactions", cell.interactions, most=INTERACTIONS)
    check_seeds(cell.seeds)
    require_count("evaluation.points", cell.evaluations, most=POINTS)
    require_count("evaluation.starts", cell.evaluation_starts, most=STARTS)
    if cell.evaluation_horizon is not None:
        require_count("evaluation.horizon", cell.evaluation_horizon, most=HORIZON)


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raises: ValueError: if there are none, too many, one that is no 32-bit number, or one twice."""
    if not seeds:
        raise ValueError("at least one seed is needed")
    if len(seeds) > SEEDS:
        raise ValueError(f"at most {SEEDS} seeds can be trained together, not {len(seeds)}")
    for seed in seeds:
        require_count("a seed", seed, least=0, most=LARGEST_SEED)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for index, seed in enumerate(seeds) if seed in seeds[:index])
        raise ValueError(f"seed {twice} is named twice")
