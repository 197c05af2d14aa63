# usage: lock.sh [--upgrade]   pins the packages for every Python and system the portal runs on
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --custom-compile-command "make lock" "$@"
}
compile "$@" requirements.in -o requirements.txt
compile "$@" requirements-rules.in -c requirements.txt -o requirements-rules.txt
compile "$@" requirements-dev.in -c requirements.txt -c requirements-rules.txt -o requirements-dev.txt
compile "$@" requirements-bench.in -c requirements.txt -c requirements-dev.txt -o requirements-bench.txt
