"""Where the platform is that the suite runs against, and how its result is reported."""

from __future__ import annotations

import os

URL = os.environ["NINEFOLD_URL"]
KEY = os.environ["NINEFOLD_KEY"]
MODELS = os.environ["NINEFOLD_MODELS"].split(",")
