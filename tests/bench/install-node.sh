#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs Haraka as haraka/package-lock.json has it, for `make bench`. Does nothing, and asks
# nobody, when it is there already.
set -eu
cd "$(dirname "$0")/haraka"
exec 9<.
flock 9
want=$(cat package.json package-lock.json .npmrc | sha256sum)
stamp=node_modules/.octroi-stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    exit 0
fi
echo "installing Haraka for the benchmark"
npm ci --ignore-scripts --omit=optional --no-fund --no-audit --loglevel=error
printf '%s\n' "$want" >"$stamp"
