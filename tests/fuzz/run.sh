#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs each libFuzzer target for FUZZ_SECONDS from its corpus; what it grows and what it finds goes
# to tests/fuzz/work in the build folder. Fails when there is a finding.
# Usage: run.sh SRCDIR TARGET…
set -eu
srcdir=$1
shift
failed=
# In memory where that can be had: the targets that need files write thousands of them.
scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for target in "$@"; do
    name=${target##*/fuzz_}
    work=tests/fuzz/work/$name
    mkdir -p "$work/corpus"
    seeds=$srcdir/tests/fuzz/corpus/$name
    # Scripts of the replay test are inputs of this one.
    [ "$name" != server ] || seeds="$seeds $srcdir/tests/replay"
    echo "fuzzing $name for $FUZZ_SECONDS s"
    # shellcheck disable=SC2086
    if TMPDIR=$scratch "./$target" -max_total_time="$FUZZ_SECONDS" -max_len=8192 -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="$work/" "$work/corpus" $seeds \
        </dev/null >"$work/log" 2>&1; then
        grep "^Done " "$work/log"
    else
        tail -n 40 "$work/log"
        failed="$failed $name"
    fi
done
times >"$scratch/times" # not in a pipe: the children are this shell's
awk 'NR == 2 { split($1, u, /[ms]/); split($2, s, /[ms]/)
               printf "%d s of a processor\n", 60 * (u[1] + s[1]) + u[2] + s[2] }' "$scratch/times"
[ -z "$failed" ] || { echo "findings:$failed (see tests/fuzz/work)"; exit 1; }
