#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Restarts and reloads under load for a minute, or OCTROI_SOAK seconds. Usage: tests/soak.sh OCTROI
set -eu
here=$(cd "$(dirname "$0")" && pwd)
OCTROI_SOAK=${OCTROI_SOAK:-60}
export OCTROI_SOAK
for each in test_reload_every_second_under_load test_rolling_restarts_under_load; do
    /usr/bin/python3 "$here/integration/run.py" --octroi "$1" --plain "$1" -k "$each"
done
