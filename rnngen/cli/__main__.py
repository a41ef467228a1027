"""``python -m rnngen.cli``."""

import sys

from rnngen.cli.main import main

sys.exit(main())
