import sys

from scripts.seeding.cli import main

sys.exit(main())
