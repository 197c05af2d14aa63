# usage: setup.sh run|dev|bench   makes .venv with the locked packages, or .venv-bench beside it; a second call
# takes no time
set -eu
cd "$(dirname "$0")/.."
venv=.venv
case $1 in
    run) lock=requirements.txt ;;
    dev) lock=requirements-dev.txt ;;
    bench) lock=requirements-bench.txt venv=.venv-bench ;;
esac
python=$venv/bin/python
stamp=$venv/.installed-$lock

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if usable "$name"; then
            echo "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    "$python" -c '' 2>/dev/null && return
    if ! found=$(find_python); then
        sh scripts/apt.sh python3 python3-venv || true
        found=$(find_python) || {
            echo "Koppel needs Python 3.11 to 3.14 with its venv module: install python3 and python3-venv." >&2
            exit 1
        }
    fi
    "$found" -m venv --clear "$venv"
}

# uv is five times as fast as pip, but does not read pip's configuration: where it fails, pip does the work.
# It is pinned in requirements-dev.txt like everything else.
install() {
    uv_pin=$venv/uv.txt
    sed -n '/^uv==/,/[^\\]$/p' requirements-dev.txt >"$uv_pin"
    pip="$python -m pip --quiet --disable-pip-version-check"
    if [ -s "$uv_pin" ] && $pip install --require-hashes -r "$uv_pin" &&
        "$venv/bin/uv" pip install --quiet --python "$python" --require-hashes -r "$lock"; then
        return
    fi
    $pip install --require-hashes -r "$lock"
}

has_chromium() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return
    done
    return 1
}

playwright_runs() {
    .venv/bin/playwright --version >/dev/null 2>&1
}

# What the tests drive: a browser, curl for the session of docs/api.md, and in CI the servers that stand beside or
# in front of a portal; what listens by itself once it is installed comes to nobody's own machine
has_tools() {
    has_chromium && command -v curl >/dev/null && has_servers
}

has_servers() {
    [ -z "${CI:-}" ] || { [ -x /usr/sbin/nginx ] && command -v redis-server >/dev/null; }
}

get_tools() {
    sh scripts/apt.sh chromium curl libatomic1 fonts-dejavu-core ||
        echo "Without Chromium and curl the tests that need them are left out." >&2
    has_servers || sh scripts/apt.sh nginx-light caddy redis-server ||
        echo "Without nginx, Caddy and Redis the tests that need them are left out." >&2
}

if ! cmp -s "$lock" "$stamp"; then
    make_venv
    echo "Installing $lock into $venv"
    install
    [ "$1" != dev ] || playwright_runs || get_tools
    cp "$lock" "$stamp"
fi
[ "$1" != dev ] || has_tools || get_tools
