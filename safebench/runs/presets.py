"""Named safeguard configurations: the paper's nine rows and their neighbours.

Rows of Walter et al., arXiv 2506.01665: none; boundary projection and ray mask, each base and
regularised; ray mask with passthrough gradient and with the orthogonal centre; hyperbolic ray mask, base
and regularised.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from safebench import registry
from safebench.plugin import Plugin, speaking
from safebench.runs.settings import with_options

REGULARISATION = 0.1
"""kappa of the regularised presets."""


@dataclass(frozen=True)
class Preset:
    """A safeguard's registered name and the options that differ from its defaults."""

    safeguard: str
    options: Mapping[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "none": Preset("none"),
    "boundary-projection": Preset("boundary-projection"),
    "boundary-projection+regularised": Preset("boundary-projection", {"regularisation": REGULARISATION}),
    "ray-mask": Preset("ray-mask"),
    "ray-mask+regularised": Preset("ray-mask", {"regularisation": REGULARISATION}),
    "ray-mask+passthrough": Preset("ray-mask", {"gradient": "passthrough"}),
    "ray-mask+orthogonal": Preset("ray-mask", {"centre": "orthogonal"}),
    "ray-mask-hyperbolic": Preset("ray-mask-hyperbolic"),
    "ray-mask-hyperbolic+regularised": Preset("ray-mask-hyperbolic", {"regularisation": REGULARISATION}),
}
PAPER = tuple(PRESETS)
"""The nine rows of the paper."""

PRESETS |= {
    "boundary-projection+passthrough": Preset("boundary-projection", {"gradient": "passthrough"}),
    "ray-mask+zonotopic": Preset("ray-mask", {"centre": "zonotopic"}),
    "ray-mask+chebyshev": Preset("ray-mask", {"centre": "chebyshev"}),
    "implicit-safe-set": Preset("implicit-safe-set"),
    "implicit-safe-set+passthrough": Preset("implicit-safe-set", {"gradient": "passthrough"}),
}


def names() -> list[str]:
    """All presets: the named ones, and every registered safeguard with its defaults."""
    return [*PRESETS, *(name for name in registry.names("safeguard") if name not in PRESETS)]


def resolve(name: str) -> tuple[str, ModuleType, Any]:
    """The safeguard's registered name, its module and its config.

    Raises:
        LookupError, ValueError: as `resolved`.
    """
    plugin, config = resolved(name)
    return plugin.name, plugin.module, config


def resolved(name: str) -> tuple[Plugin, Any]:
    """The safeguard that a preset, a registered name, a file or a dotted path means, and its config.

    Raises:
        LookupError: for an unknown name, with the nearest known ones.
        ValueError: for an option that the safeguard does not have, or a broken plug-in.
    """
    preset = PRESETS.get(name, Preset(name))
    try:
        plugin = registry.find("safeguard", preset.safeguard)
    except LookupError as error:
        if str(error.args[0]).startswith("unknown safeguard"):  # presets are names too
            raise LookupError(registry.unknown("safeguard", name, names())) from None
        raise
    return plugin, with_options(defaults(plugin), preset.options, "safeguard")


def one_to_one(module: ModuleType, config: Any) -> bool:
    """Whether a safeguard says that no two actions of the box are made the same one."""
    says: Callable[[Any], bool] | None = getattr(module, "one_to_one", None)
    return says is not None and says(config)


def defaults(plugin: Plugin) -> Any:
    """The default settings of a safeguard or a learner.

    Raises:
        ValueError: if they cannot be made, or are no dataclass.
    """
    with speaking(plugin.file, "Config"):
        config = plugin.module.Config()
    if not dataclasses.is_dataclass(config):
        raise ValueError(f"{plugin.file}: Config must be a frozen dataclass")
    return config
