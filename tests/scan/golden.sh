#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The table of codes in tests/golden/README.md is true: it has a row for each reason code, and each
# file a row names holds a case that expects the code, or one that just misses it. That every code
# has both is for the runner of the cases to say (test_policy_golden).
# shellcheck disable=SC2016 # backquotes are the README's
set -eu
srcdir=${srcdir:-.}
golden=$srcdir/tests/golden

codes() {
    awk '/^enum reason \{/ { inside = 1; next }
        inside && /^};/ { exit }
        inside && match($0, "^ *REASON_[A-Z_]+") {
            word = substr($0, RSTART, RLENGTH)
            sub("^ *REASON_", "", word)
            if (word != "COUNT") print word
        }' "$srcdir/policy/model.h"
}

# Whether file $1 has a case that expects code $3, or, where $2 is "misses", that just misses it.
holds() {
    if [ "$2" = misses ]; then
        grep -Eq "^expect .*; misses ([A-Z_]+ )*$3( |;|\$)" "$golden/$1.golden"
    else
        grep -Eq "^expect (pass|block|defer) $3(;|\$)" "$golden/$1.golden"
    fi 2>/dev/null
}

# The rows of the README $1 that say what is not so. A row about several codes is
# not looked at.
rows() {
    grep -E '^\| [A-Z_]+ \|' "$1" | while IFS='|' read -r _ code expects misses _; do
        code=$(printf '%s' "$code" | tr -d ' ')
        for file in $(printf '%s' "$expects" | grep -o '`[a-z]*`' | tr -d '`'); do
            holds "$file" expects "$code" || echo "$file.golden has no case that expects $code"
        done
        for file in $(printf '%s' "$misses" | grep -o '`[a-z]*`' | tr -d '`'); do
            holds "$file" misses "$code" || echo "$file.golden has no case that just misses $code"
        done
    done
}

judge() {
    for code in $(codes); do
        grep -qw "$code" "$1" || echo "no word about $code"
    done
    rows "$1"
}

# Itself first: a table that lost a row, or names a file without the case, must not do.
spoilt=$(mktemp)
trap 'rm -f "$spoilt"' EXIT
sed -e '/^| PARTNER_NOT_NAMED /d' -e 's/^| SERVICE | `streams` /| SERVICE | `forms` /' \
    -e 's/^\(| SECTOR_BAN | .* | \)`streams` |/\1`calls` |/' "$golden/README.md" >"$spoilt"
found=$(judge "$spoilt" | grep -c -e 'about PARTNER_NOT_NAMED' -e 'forms.*expects SERVICE' \
    -e 'calls.*misses SECTOR_BAN')
[ "$found" -eq 3 ] || { echo "self-test: $found of 3 faults of a spoilt table were found"; exit 1; }

problems=$(judge "$golden/README.md")
[ -z "$problems" ] || { printf '%s\n' "$problems"; exit 1; }
