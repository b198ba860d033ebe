"""`python -m homeserver` is `folkmoot`."""

import sys

from homeserver.cli.main import main

sys.exit(main())
