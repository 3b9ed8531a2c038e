"""The pages of one safeguard and of one learner."""

import dataclasses

from safebench import registry
from safebench.runs import presets
from site_pages import records
from site_pages.text import code, docstring, prose, settings, table


def safeguard(name: str) -> str:
    """The page of a registered safeguard, as markdown."""
    plugin = registry.find("safeguard", name)
    certified = (
        "**Certified**: what it returns lies in the certified safe action set: a last line sees to it."
        if plugin.module.CERTIFIED
        else "**Not certified**: it promises nothing, and its violations are counted."
    )
    parts = [
        f"# {name}",
        docstring(plugin.module),
        certified,
        "## Settings",
        "Changed by `--set safeguard.FIELD=VALUE`, or `safebench.guard(name, field=value)`.",
        settings(presets.defaults(plugin)),
        "## Presets",
        _presets(name),
        "## Measured time",
        _times(name),
        "## Results",
        records.result_tables("safeguard", name),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def safeguard_row(name: str) -> tuple[str, str]:
    """What the overview of safeguards says of one, after its name."""
    module = registry.load("safeguard", name)
    return "yes" if module.CERTIFIED else "no", prose(registry.summary(module))


def learner_row(name: str) -> tuple[str]:
    """What the overview of learners says of one, after its name."""
    return (prose(registry.summary(registry.load("learner", name))),)


def learner(name: str) -> str:
    """The page of a registered learner, as markdown."""
    plugin = registry.find("learner", name)
    parts = [
        f"# {name}",
        docstring(plugin.module),
        "## Settings",
        "Changed by `--set learner.FIELD=VALUE`. A task that is not named below has the defaults.",
        settings(presets.defaults(plugin)),
        "## Tuned for",
        _tuned(plugin.module.SETTINGS),
        "## Results",
        records.result_tables("learner", name),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _presets(name: str) -> str:
    rows = [
        (f"`{preset}`", _changed(each.options), "yes" if preset in presets.PAPER else "")
        for preset, each in presets.PRESETS.items()
        if each.safeguard == name
    ]
    if not rows:
        return "Its name alone, with the defaults.\n"
    return table(("preset", "settings", "one of the paper's nine"), rows)


def _tuned(tuned) -> str:
    rows = []
    for task, config in tuned.items():
        usual = type(config)()
        named = [field.name for field in dataclasses.fields(config)]
        changed = {n: getattr(config, n) for n in named if getattr(config, n) != getattr(usual, n)}
        rows.append((f"`{task}`", _changed(changed)))
    return table(("task", "differs from the defaults by"), rows) if rows else "No task yet.\n"


def _changed(options) -> str:
    return ", ".join(f"{field} = {code(value)}" for field, value in options.items()) or "defaults"


def _times(name: str) -> str:
    record = records.measured("safeguards")
    rows = [
        (
            row["task"],
            f"`{row['safeguard']}`",
            f"{row['forward_us']:.3g}",
            f"{row['forward_backward_us']:.3g}",
        )
        for row in record["safeguards"]
        if row["batch"] == records.BATCH and _of_preset(row["safeguard"]) == name
    ]
    if not rows:
        return "Not recorded yet: `safebench bench safeguards` measures it.\n"
    source = record["provenance"]
    heads = ("task", "preset", "forward", "forward and derivative")
    return (
        f"Microseconds an action at batch {records.BATCH}, `docs/records/bench-safeguards.json` "
        f"({source['device']}, {source['utc'][:10]}; `safebench bench safeguards` measures it again):\n\n"
        f"{table(heads, rows)}"
    )


def _of_preset(preset: str) -> str:
    """The safeguard that a preset configures."""
    return presets.PRESETS.get(preset, presets.Preset(preset)).safeguard
