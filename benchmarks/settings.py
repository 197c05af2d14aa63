"""The settings of the portals that are measured: as shipped, with views to compare with beside them."""

from portal.settings import *  # noqa: F403
from portal.settings import env

ROOT_URLCONF = "benchmarks.urls"
# Collected once for all portals of a run: they do not differ in their files.
STATIC_ROOT = env.str("BENCH_STATIC")
