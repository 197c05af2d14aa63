# usage: bench.sh [--quick] [ARGUMENT OF benchmarks/…]   what the portal costs, beside others (docs/performance.md)
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench
command -v wrk >/dev/null || sh scripts/apt.sh wrk
# It counts instructions, in whole runs only.
case " $* " in
    *" --quick "*) ;;
    *) command -v valgrind >/dev/null || sh scripts/apt.sh valgrind || echo "Without valgrind no instructions are counted." >&2 ;;
esac
exec .venv-bench/bin/python scripts/services.py .venv-bench/bin/python -m benchmarks "$@"
