"""``python -m ecluse`` is the command line."""

from ecluse.cli import main

main()
