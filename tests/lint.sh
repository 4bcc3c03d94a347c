#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formatting, cppcheck and clang-tidy over all sources; any finding fails.
#
# Usage: tests/lint.sh [short]     (short: clang's analyzer looks less deep into calls, in a sixth of the
#                                   time; all other checks are the same)
set -eu
cd "$(dirname "$0")/.."

sources=$(git ls-files '*.c' '*.h' 2>/dev/null || find . -name '*.[ch]' -not -path './build*')
units=$(echo "$sources" | grep '\.c$' | grep -v '^tests/')
flags="-std=gnu17 -D_GNU_SOURCE -DPACKAGE_VERSION=\"lint\" -DPKGDATADIR=\"lint\" -DCHART_JS=\"lint\" -I."
flags="$flags $(pkg-config --cflags libevent_core openssl sqlite3 libconfig jansson libidn2 libxcrypt libseccomp libarchive)"

echo "clang-format"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources

echo "cppcheck"
# shellcheck disable=SC2086
cppcheck --quiet --suppress=autoVariables --error-exitcode=1 --inline-suppr --std=c11 --language=c -j"$(nproc)" \
    --enable=warning,performance,portability --suppress=missingIncludeSystem \
    --suppress=unknownMacro -D_GNU_SOURCE -DPACKAGE_VERSION='"lint"' -DPKGDATADIR='"lint"' -DCHART_JS='"lint"' -I. $units 2>&1 ||
    exit 1

echo "clang-tidy"
# shellcheck disable=SC2086
[ "${1:-}" != short ] || flags="$flags -Xclang -analyzer-config -Xclang mode=shallow"
export FLAGS="$flags"
echo "$units" | xargs -P "$(nproc)" -n 4 sh -c \
    'clang-tidy --quiet --warnings-as-errors="*" "$@" -- $FLAGS 2>/dev/null' lint
