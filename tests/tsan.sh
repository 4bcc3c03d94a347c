#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ThreadSanitizer over everything that has threads: builds in build-tsan/, runs the unit tests of
# loops, workers, journal, store, adapters and sessions, and the gateway itself under load, reloads,
# drains and misbehaving providers. A race, or a lock taken in two orders, fails.
# Usage: tests/tsan.sh [unit|integration]…
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
parts=${*:-unit integration}
TSAN_OPTIONS="exitcode=66 halt_on_error=0 second_deadlock_stack=1 suppressions=$top/tests/tsan.supp"
export TSAN_OPTIONS
sh tests/build.sh build-tsan --enable-werror --enable-tsan CFLAGS='-g -O1' CXXFLAGS='-g -O1' || exit 1
failed=0

case " $parts " in *" unit "*)
    make -s -C build-tsan check TESTS="tests/unit/test_base tests/unit/test_journal \
        tests/unit/test_registry tests/unit/test_registry_facts tests/unit/test_adapters \
        tests/unit/test_adapters_smtp tests/unit/test_adapters_esmtp_trouble \
        tests/unit/test_adapters_smpp_threads \
        tests/unit/test_proxy tests/unit/test_proxy_binds tests/unit/test_proxy_metrics \
        tests/unit/test_proxy_sms tests/unit/test_proxy_desk tests/unit/test_proxy_replay" \
        >build-tsan/unit.out 2>&1 || failed=1
    # A test that ended well may have said something all the same.
    if grep -l 'ThreadSanitizer' build-tsan/tests/unit/*.log; then failed=1; fi
    grep -hE '^(PASS|FAIL|ERROR):' build-tsan/unit.out
    ;;
esac

case " $parts " in *" integration "*)
    sh tests/build.sh build || exit 1
    # run.py shows the gateways' logs of what failed; a gateway with a report exits with 66.
    for pattern in test_reload test_faults_provider test_faults_signals; do
        /usr/bin/python3 tests/integration/run.py --octroi build-tsan/octroi --plain build/octroi \
            -k "$pattern" >"build-tsan/$pattern.out" 2>&1 || failed=1
        if grep -q 'WARNING: ThreadSanitizer' "build-tsan/$pattern.out"; then failed=1; fi
        tail -n 1 "build-tsan/$pattern.out" | sed "s/^/$pattern: /"
    done
    ;;
esac

[ "$failed" -eq 0 ] && echo "tsan: clean" || echo "tsan: NOT clean, see build-tsan/"
exit "$failed"
