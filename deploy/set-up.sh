#!/bin/sh
# Make this checkout runnable: virtual environment, the package, and the Mosquitto broker.
# Usage: deploy/set-up.sh [tests|browser]   Safe to run again; does nothing when nothing changed.
# `tests` adds what the tests run beside (curl, a library of Playwright's driver), `browser` also
# Debian's Chromium, which the page tests drive.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "set-up: $*"; }
fail() { printf '%s\n' "set-up: $*" >&2; exit 1; }

# The system's package manager, with root rights, or an instruction for the person.
install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "please install $* with your system's package manager, then run this again"
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        fail "needs the packages: $* — run 'sudo apt-get install $*', then run this again"
    fi
    say "installing with apt-get: $*"
    $as_root apt-get update -qq
    # The hub starts a broker of its own: a package must not start a second one.
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@" \
        >/dev/null
}

find_python() {
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or newer: install python3 (Debian 12, Ubuntu 24.04 or newer have it)"
}

PATH="$PATH:/usr/sbin"
missing=
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v mosquitto_pub >/dev/null 2>&1 || missing="$missing mosquitto-clients"
[ -z "$missing" ] || { say "the MQTT broker is not here yet"; install_packages $missing; }
if [ -n "${1:-}" ]; then
    missing=
    command -v curl >/dev/null 2>&1 || missing="$missing curl"
    PATH="$PATH:/sbin" ldconfig -p | grep -q libatomic.so.1 || missing="$missing libatomic1"
    if [ "$1" = browser ] && ! command -v chromium >/dev/null 2>&1; then
        missing="$missing chromium"
    fi
    [ -z "$missing" ] || { say "the tests need a little more"; install_packages $missing; }
fi

stamp=.venv/installed
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
    python=$(find_python)
    if [ ! -x .venv/bin/pip ]; then
        say "creating .venv with $python"
        "$python" -m venv .venv 2>/dev/null || {
            install_packages python3-venv
            "$python" -m venv .venv
        }
    fi
    say "installing hearthbeat and what it needs (this can take some minutes)"
    # setuptools warns that folders named like packages come first; that is what -e is for.
    PYTHONWARNINGS=ignore .venv/bin/pip install -q --disable-pip-version-check \
        -c constraints.txt -e '.[server,edge,dev]'
    touch "$stamp"
fi
say "ready"
