"""The command line for ``python -m`` and torchrun."""

import sys

from signattn.cli import main

sys.exit(main())
