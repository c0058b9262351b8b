"""python -m kith_local.replay --data DIR --set SET"""

import sys

from kith_local.replay.cli import main

sys.exit(main())
