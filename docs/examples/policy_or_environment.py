"""What it changes to have the safeguard in SAC's policy: one task, tuning seeds, one line a setting.

python docs/examples/policy_or_environment.py quadrotor 30000 out.json
"""

import json
import sys

import safebench

SEEDS = (1000, 1001, 1002)
POLICY, APPLIED = {"learner_safeguard_in": "policy"}, {"learner_density": "applied"}
ROWS = (
    ("boundary-projection", {}),
    ("boundary-projection", POLICY),
    ("boundary-projection+passthrough", POLICY),
    ("boundary-projection+regularised", {}),
    ("boundary-projection+regularised", POLICY),
    ("ray-mask", {}),
    ("ray-mask", POLICY),
    ("ray-mask", POLICY | APPLIED),
)


def row(task: str, interactions: int, safeguard: str, changes: dict) -> dict:
    """Final returns of each seed, and what training did."""
    result = safebench.train(
        task,
        safeguard,
        "sac",
        seeds=SEEDS,
        interactions=interactions,
        physics="compiled",
        progress=False,
        evaluation_points=5,
        **changes,
    )
    training = [run.training for run in result.runs]
    return {
        "safeguard": safeguard,
        "changes": changes,
        "returns": [run.final.return_mean for run in result.runs],
        "interventions": sum(part.interventions for part in training) / sum(part.steps for part in training),
        "violations": sum(part.violations for part in training),
        "skipped": sum(run.curve.skipped[-1] for run in result.runs),
    }


def lines(record: dict) -> list[str]:
    """The rows of the table in docs/policy-or-environment.md."""
    found = []
    for row in record["rows"]:
        settings = ", ".join(
            f"{name.removeprefix('learner_')}={value}" for name, value in row["changes"].items()
        )
        returns = " ".join(f"{each:.2f}" for each in row["returns"])
        share, violations = 100 * row["interventions"], row["violations"]
        found.append(
            f"| {row['safeguard']} | {settings or 'none'} | {returns} | {share:.1f} % | {violations} |"
        )
    return found


if __name__ == "__main__":
    task, interactions, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    found = []
    for safeguard, changes in ROWS:
        found.append(row(task, interactions, safeguard, changes))
        with open(out, "w") as file:
            json.dump(
                {"task": task, "interactions": interactions, "seeds": SEEDS, "rows": found}, file, indent=1
            )
        print(lines({"rows": found[-1:]})[0], flush=True)
