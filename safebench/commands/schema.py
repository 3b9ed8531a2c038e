"""The schema of result files: writes safebench/record/result.schema.json, prints results/README.md's tables.

Run it as `python -m safebench.commands.schema` after a change of the records.
"""

from safebench import atomic
from safebench.record import schema
from safebench.report.board import Leaderboard


def tables() -> str:
    """Every field of a result file and of leaderboard.json, in markdown."""
    return "\n".join(
        [schema.field_table(), "## The fields of leaderboard.json\n", schema.field_table(Leaderboard)]
    )


if __name__ == "__main__":
    atomic.write(schema.FILE, schema.text())
    print(tables(), end="")
