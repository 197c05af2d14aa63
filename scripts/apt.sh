# usage: apt.sh PACKAGE…   installs Debian packages, as root or through sudo
set -eu
command -v apt-get >/dev/null || exit 1
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
echo "Installing $* with apt-get"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
