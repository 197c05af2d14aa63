# usage: run.sh   from a fresh checkout to a portal that answers
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh run
umask 077 # what it keeps is for its own user only
PORTAL_BASE_URL=${PORTAL_BASE_URL:-http://localhost:${PORT:-8000}}
PORTAL_BOOKS=${PORTAL_BOOKS:-1} # Koppel Books belongs to the demonstration, and so does a desk to ask
PORTAL_SUPPORT_EMAIL=${PORTAL_SUPPORT_EMAIL:-support@koppel.example}
export PORTAL_BASE_URL PORTAL_BOOKS PORTAL_SUPPORT_EMAIL
python=.venv/bin/python
manifest=${PORTAL_DATA:-var}/static/staticfiles.json

# Collecting means compressing, which takes seconds: only after a change of files or packages.
static_files_are_old() {
    [ ! -e "$manifest" ] || [ -n "$(find static .venv/.installed-* -newer "$manifest")" ]
}

# The system checks are those of `serve`: once. What is new in the database, `demo` brings.
if static_files_are_old; then
    $python manage.py collectstatic --verbosity 0 --noinput --skip-checks
fi
$python manage.py demo --if-new --skip-checks
exec $python manage.py serve
