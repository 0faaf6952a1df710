"""Started by bin/test in the prepared virtual environment."""

import sys
from pathlib import Path

# PYTHONPATH would be inherited by Ansible and the tests.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from runner.run import main  # noqa: E402

sys.exit(main())
