#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines the tests run of the folders where a mistake lets a message pass: builds in
# build-coverage/ without optimizing, and fails where fewer than 90 % of a folder's lines are run.
# Needs gcovr (Debian: gcovr). What a gateway did that a test ends by kill -9 is not counted.
# Counts add up until `fresh`; each part of the work can be asked for alone.
# Usage: tests/coverage.sh [fresh|unit|integration|report]…
#   OCTROI_COVERAGE_TESTS=test_sms   only these integration tests
set -u
cd "$(dirname "$0")/.." || exit 1
parts=${*:-fresh unit integration report}
folders="policy store proxy/smtp proxy/smpp"
least=90
command -v gcovr >/dev/null || {
    echo "coverage needs gcovr: apt-get install gcovr" >&2
    exit 1
}
# Threads count the same lines.
sh tests/build.sh build-coverage --enable-coverage CFLAGS='-g -O0 -fprofile-update=atomic' \
    CXXFLAGS='-g -O0 -fprofile-update=atomic' || exit 1

case " $parts " in *" fresh "*)
    find build-coverage -name '*.gcda' -delete
    ;;
esac

# A test that fails here has run its lines all the same; that it fails is for ./check to say.
case " $parts " in *" unit "*)
    make -s -C build-coverage -j"$(nproc)" check TESTS= >build-coverage/unit.out 2>&1 || {
        tail -n 20 build-coverage/unit.out
        exit 1
    }
    programs=$(cd build-coverage && find tests/unit -maxdepth 1 -name 'test_*' -type f -perm -u+x | sort | tr '\n' ' ')
    make -s -C build-coverage -j"$(nproc)" -k check TESTS="$programs" >build-coverage/unit.out 2>&1
    grep -E '^# (PASS|FAIL|ERROR):' build-coverage/unit.out
    ;;
esac

case " $parts " in *" integration "*)
    sh tests/build.sh build || exit 1
    sh tests/integration/install-node.sh || exit 1
    /usr/bin/python3 tests/integration/run.py --octroi build-coverage/octroi --plain build/octroi \
        ${OCTROI_COVERAGE_TESTS:+-k "$OCTROI_COVERAGE_TESTS"} >build-coverage/integration.out 2>&1
    tail -n 1 build-coverage/integration.out
    ;;
esac

case " $parts " in *" report "*)
    filters=
    for folder in $folders; do
        filters="$filters --filter $folder/"
    done
    # shellcheck disable=SC2086
    gcovr --root . $filters --csv --output build-coverage/lines.csv build-coverage || exit 1
    awk -F, -v folders="$folders" -v least="$least" '
        FNR == 1 { next }
        {
            folder = $1
            sub(/\/[^\/]*$/, "", folder)
            lines[folder] += $2
            run[folder] += $3
            if ($2 > 0 && 100 * $3 / $2 < least)
                below[folder] = below[folder] sprintf("    %-36s %4d of %4d\n", $1, $3, $2)
        }
        END {
            n = split(folders, names, " ")
            for (i = 1; i <= n; i++) {
                name = names[i]
                share = lines[name] > 0 ? 100 * run[name] / lines[name] : 0
                printf "%-12s %5d of %5d lines %6.1f %%%s\n", name, run[name], lines[name], share,
                    share < least ? "  too few" : ""
                printf "%s", below[name]
                failed = failed || share < least
            }
            exit failed
        }' build-coverage/lines.csv
    ;;
esac
