#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes sure that Debian packages are there; calls apt only for what is missing.
# Usage: tests/packages.sh run|test|bench|fuzz
set -eu

run="gcc g++ make autoconf automake pkg-config gettext
     libevent-dev libssl-dev libesmtp-dev libsqlite3-dev libarchive-dev libcurl4-openssl-dev libconfig-dev libjansson-dev
     libidn2-dev libunistring-dev libaio-dev libphonenumber-dev libcrypt-dev libseccomp-dev check openssl swaks curl libjs-chart.js"
test="systemd strace postfix libsasl2-modules swaks libnet-ssleay-perl sqlite3 openssl python3 python3-jsonschema python3-yaml python3-flask python3-jwcrypto iproute2 util-linux mandoc
      clang clang-format clang-tidy cppcheck libclang-rt-14-dev valgrind xxd haproxy
      chromium-headless-shell fonts-dejavu-core kannel kannel-extras libsmpp34-dev prometheus python3-prometheus-client"
# For figures and for long fuzzing by hand; ./check needs none of it.
bench="postfix postfix-lmdb haproxy nginx-light kannel python3 util-linux"
fuzz="clang libclang-rt-14-dev llvm afl++"

case "${1:-}" in
run) wanted=$run ;;
test) wanted="$run $test" ;;
bench) wanted="$run $bench" ;;
fuzz) wanted="$run $fuzz" ;;
*)
    echo "usage: $0 run|test|bench|fuzz" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
# Any node will do; Debian's is taken where there is none.
if [ "$1" != run ] && ! command -v npm >/dev/null 2>&1; then
    missing="$missing nodejs npm"
fi
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "these packages are missing, and installing them needs root or sudo:$missing" >&2
        exit 1
    }
    as_root=sudo
fi
# Postfix asks questions unless told not to; the tests run it with a configuration of their own.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
