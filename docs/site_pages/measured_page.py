"""The page of measured times, from the records in docs/records."""

from collections.abc import Sequence
from typing import Any

from site_pages import records
from site_pages.text import table


def page() -> str:
    """Physics, safeguards and filter as recorded, as markdown."""
    parts = [
        "# Measured times",
        "From the committed records; each heading has the command that measures it again. Ratios carry over "
        "to other machines better than times do.",
        *_section("Physics", "physics", _physics),
        *_section(f"Safeguards, batch {records.BATCH}, one action", "safeguards", _safeguards),
        *_section("The filter, one call", "filter", _filter),
        "[Arms](../arms.md) has what grows with the number of joints, [Precision, speed and memory]"
        "(../performance.md) what grows with seeds, window, environments and rows.",
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _section(title: str, name: str, rows_of) -> Sequence[str]:
    record = records.measured(name)
    source = record["provenance"]
    where = f"`docs/records/bench-{name}.json`, {source['utc'][:10]}, {source['device']}"
    said = f"`safebench bench {name}`; {where}."
    return f"## {title}", said, rows_of(record[name])


def _physics(rows: Sequence[dict[str, Any]]) -> str:
    heads = ("system", "physics", "forward [ms]", "with gradient [ms]", "compile [s]", "compile gradient [s]")
    names = ("forward_ms", "gradient_ms", "forward_compile", "gradient_compile")
    shown = [
        (row["system"], row["physics"], *(f"{row[name]:.3g}" for name in names))
        for row in rows
        if "gradient_ms" in row
    ]
    return "A scan of 64 steps at batch 256, without XLA's fusion emitters.\n\n" + table(heads, shown)


def _safeguards(rows: Sequence[dict[str, Any]]) -> str:
    heads = ("task", "safeguard", "forward [us]", "forward and derivative [us]")
    shown = [
        (
            row["task"],
            f"`{row['safeguard']}`",
            f"{row['forward_us']:.3g}",
            f"{row['forward_backward_us']:.3g}",
        )
        for row in rows
        if row["batch"] == records.BATCH
    ]
    return table(heads, shown)


def _filter(rows: Sequence[dict[str, Any]]) -> str:
    heads = ("task", "safeguard", "arguments", "median [us]", "95 % within [us]")
    shown = [
        (
            row["task"],
            f"`{row['safeguard']}`",
            row["arguments"],
            f"{row['median_us']:.0f}",
            f"{row['percentile_95_us']:.0f}",
        )
        for row in rows
    ]
    return table(heads, shown)
