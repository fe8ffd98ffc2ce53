"""`python -m sre.cli`, where the command `sre` is not on the path."""

from sre.cli import main

main()
