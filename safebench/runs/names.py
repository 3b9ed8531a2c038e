"""What there is, by name; without jax."""

from safebench import registry
from safebench.runs import presets, suites


def list_tasks() -> list[str]:
    """The names of all tasks, those of installed plug-ins included.

    >>> import safebench
    >>> "pendulum" in safebench.list_tasks()
    True

    Raises:
        LookupError: if two plug-ins claim one name.
    """
    return registry.names("task")


def list_safeguards() -> list[str]:
    """The names of all safeguards: presets, the paper's nine first, and safeguards with their defaults.

    >>> import safebench
    >>> safebench.list_safeguards()[:3]
    ['none', 'boundary-projection', 'boundary-projection+regularised']

    Raises:
        LookupError: if two plug-ins claim one name.
    """
    return presets.names()


def list_learners() -> list[str]:
    """The names of all learners.

    >>> import safebench
    >>> {"shac", "ppo"} <= set(safebench.list_learners())
    True

    Raises:
        LookupError: if two plug-ins claim one name.
    """
    return registry.names("learner")


def list_suites() -> list[str]:
    """The names of all suites.

    >>> import safebench
    >>> "quick" in safebench.list_suites()
    True
    """
    return list(suites.SUITES)
