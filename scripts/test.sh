# usage: test.sh [ARGUMENT OF PYTEST…]
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
began=$(date +%s)
result=0
.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@" || result=$?
echo "The tests took $(($(date +%s) - began)) s."
exit $result
