"""The packages whose versions decide a result, and what is installed of them."""

from importlib.metadata import version

PACKAGES = ("safebench", "jax", "jaxlib", "mujoco", "mujoco-mjx", "brax", "flax", "optax", "numpy", "scipy")


def installed() -> dict[str, str]:
    """The version of each, by name. Imports none of them."""
    return {name: version(name) for name in PACKAGES}
