# usage: run.sh   from a fresh checkout to a portal that answers
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh run
PORTAL_BASE_URL=${PORTAL_BASE_URL:-http://localhost:${PORT:-8000}}
export PORTAL_BASE_URL
python=.venv/bin/python
$python manage.py migrate --verbosity 0
$python manage.py collectstatic --verbosity 0 --noinput
$python manage.py demo --if-new
exec $python manage.py serve
