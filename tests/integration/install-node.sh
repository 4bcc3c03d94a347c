#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Node peers of the integration tests as package-lock.json has them. Does nothing,
# and asks nobody, when they are there already.
set -eu
cd "$(dirname "$0")"
# One at a time: tests that need the peers may begin together.
exec 9<.
flock 9
want=$(cat package.json package-lock.json .npmrc | sha256sum)
stamp=node_modules/.octroi-stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    exit 0
fi
echo "installing the Node peers of the integration tests"
npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
printf '%s\n' "$want" >"$stamp"
