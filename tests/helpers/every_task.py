"""The registered tasks that tests of a contract run on: one of every file.

A variant is another size or view of the same code; the tests of its own file speak of it.
"""

from safebench import registry

FILES = [
    name
    for name, module in registry.modules("task").items()
    if module.rpartition(".")[2] == name.replace("-", "_")
]
