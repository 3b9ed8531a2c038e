"""`python -m safebench`."""

from safebench.cli import main

main()
