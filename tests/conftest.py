"""All tests run in float64 with the compilation cache on."""

from safebench.precision import configure

configure()
