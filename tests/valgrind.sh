#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The unit tests under valgrind (memcheck), from a plain build: what AddressSanitizer does not see,
# the use of memory that nobody has written, here and inside the libraries. A test must be clean and
# lose nothing.
# Usage: tests/valgrind.sh BUILD_FOLDER [TEST…]     (a TEST is a name such as test_policy)
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
build=$1
shift
# Left out: test_cli_run, whose work is done by a program it starts, and test_policy_golden, which
# repeats what test_policy runs.
tests=${*:-test_base test_policy test_config test_config_sms test_config_values test_journal \
test_registry test_registry_facts test_registry_csv test_registry_form test_adapters test_adapters_smtp test_proxy \
test_proxy_replay test_cli}
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 1; }

for test in $tests; do
    make -s -C "$build" "tests/unit/$test" >/dev/null || exit 1
done
mkdir -p "$build/valgrind"
passed=0
failed=0
for test in $tests; do
    log=$build/valgrind/$test
    rm -f "$log".*
    # Check forks each test: valgrind follows, and writes a file a process.
    CK_TIMEOUT_MULTIPLIER=20 srcdir=. valgrind --quiet --leak-check=full \
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite \
        --suppressions="$top/tests/valgrind.supp" --log-file="$log.%p" \
        "$build/tests/unit/$test" >"$log.out" 2>&1
    # Whether a test is right is tested elsewhere, and some are about time, of which valgrind takes
    # much: only what valgrind itself says counts, and that the tests ran to their end.
    if grep -q '^[0-9]*%: Checks:' "$log.out" && ! cat "$log".[0-9]* | grep -q .; then
        echo "clean: $test ($(grep '^[0-9]*%: Checks:' "$log.out"))"
        passed=$((passed + 1))
    else
        echo "NOT CLEAN: $test"
        tail -n 5 "$log.out"
        cat "$log".[0-9]* | head -n 40
        failed=$((failed + 1))
    fi
    find "$build/valgrind" -name "$test.[0-9]*" -empty -delete
done
echo "valgrind: $passed clean, $failed not"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
