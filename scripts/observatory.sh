# usage: observatory.sh   grades every kind of page with the scanner of MDN's HTTP Observatory; needs npm
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
scanner=$PWD/.venv/observatory
package=$scanner/node_modules/@mdn/mdn-http-observatory
if [ ! -e "$package" ]; then
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$scanner" @mdn/mdn-http-observatory@1.4.8
fi
# Its lists of preloaded hosts and of top-level domains would be downloaded; localhost is in neither.
echo '{}' >"$package/conf/hsts-preload.json"
echo '[]' >"$package/conf/tld-list.json"
OBSERVATORY=$scanner .venv/bin/python -m pytest tests/portal/test_observatory.py "$@"
