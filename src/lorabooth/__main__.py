"""`python -m lorabooth`."""

import sys

from lorabooth.cli import main

sys.exit(main())
