"""``python -m ecluse_verify``."""

import sys

from ecluse_verify.cli import main

sys.exit(main())
