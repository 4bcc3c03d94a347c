#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs each target under AFL++ for FUZZ_SECONDS from its corpus; what it grows and what it finds goes
# to tests/fuzz/work/afl/NAME in the build folder. Fails when there is a finding.
# Usage: run_afl.sh SRCDIR TARGET…
set -eu
srcdir=$1
shift
command -v afl-fuzz >/dev/null || { echo "afl-fuzz is missing (Debian: afl++)"; exit 1; }
failed=
scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for target in "$@"; do
    name=${target##*/fuzz_}
    work=tests/fuzz/work/afl/$name
    rm -rf "$work"
    mkdir -p "$work/seeds"
    cp "$srcdir/tests/fuzz/corpus/$name"/* "$work/seeds"
    [ "$name" != server ] || cp "$srcdir"/tests/replay/*.replay "$work/seeds"
    echo "fuzzing $name with AFL++ for $FUZZ_SECONDS s"
    # The machine's own settings (core pattern, governor) are not ours to change.
    TMPDIR=$scratch AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1 AFL_FAST_CAL=1 \
        AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
        afl-fuzz -i "$work/seeds" -o "$work/out" -V "$FUZZ_SECONDS" -m none -t 2000+ \
        -- "./$target" </dev/null >"$work/log" 2>&1 || {
        tail -n 30 "$work/log"
        failed="$failed $name"
        continue
    }
    # A seed that crashes is put aside, and would be forgotten.
    if grep -q "results in a crash" "$work/log"; then
        grep "results in a crash" "$work/log"
        failed="$failed $name"
    fi
    sed -n -e 's/^\(execs_done\|execs_per_sec\|bitmap_cvg\|saved_crashes\|saved_hangs\) *:/  \1/p' \
        "$work/out/default/fuzzer_stats"
    for found in "$work"/out/default/crashes/id* "$work"/out/default/hangs/id*; do
        if [ -f "$found" ]; then
            echo "  $found"
            failed="$failed $name"
        fi
    done
done
times >"$scratch/times" # not in a pipe: the children are this shell's
awk 'NR == 2 { split($1, u, /[ms]/); split($2, s, /[ms]/)
               printf "%d s of a processor\n", 60 * (u[1] + s[1]) + u[2] + s[2] }' "$scratch/times"
[ -z "$failed" ] || { echo "findings:$failed (see tests/fuzz/work/afl)"; exit 1; }
