# usage: test_postgres.sh [ARGUMENT OF PYTEST…]   the tests on PostgreSQL and Redis
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
exec .venv/bin/python scripts/services.py sh scripts/test.sh "$@"
