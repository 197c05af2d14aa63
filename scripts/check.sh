# usage: check.sh   stops at the first thing that is not right
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
PATH=$PWD/.venv/bin:$PATH
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

step() {
    echo "== $*"
    "$@"
}

# manage.py as on a server that people reach over https
production() {
    step env PORTAL_DATA="$data" PORTAL_PROXIES=1 PORTAL_BASE_URL=https://portal.example.org python manage.py "$@"
}

step ruff format --check
step ruff check
step lint-imports --no-logo
step find templates -name '*.html' -exec djade --check --target-version 5.2 {} +
step python scripts/messages.py
production check --deploy --fail-level WARNING
production makemigrations --check --dry-run
step sh scripts/test.sh
step sh scripts/test_postgres.sh
if command -v npm >/dev/null && [ -x /usr/sbin/nginx ]; then
    step sh scripts/observatory.sh
fi
