#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every state of a session, of a recipient and of a provider's connection has its line for each fault
# in tests/replay/MATRIX, and the script, row or test it names exists.
set -eu
srcdir=${srcdir:-.}
rows=$srcdir/tests/unit/test_adapters_smtp

# The names of enum $2 in header $1, without the prefix $3.
states() {
    awk -v name="enum $2 {" -v prefix="$3" '
        index($0, name) == 1 { inside = 1; next }
        inside && /^};?/ { inside = 0 }
        inside && match($0, "^ *" prefix "[A-Z_]+,") {
            word = substr($0, RSTART, RLENGTH)
            gsub("[ ,]", "", word)
            print substr(word, length(prefix) + 1)
        }' "$srcdir/$1"
}

# $1: the matrix; then who, the faults, and the states. Prints what is missing.
cells() {
    matrix=$1 who=$2 faults=$3
    shift 3
    for state in "$@"; do
        for fault in $faults; do
            grep -Eq "^$who $state $fault +[^ ]" "$matrix" || echo "no cell: $who $state $fault"
        done
    done
}

# What lines of the matrix $1 name and nobody has. A reason after "-" is no name.
proofs() {
    grep -E '^(session|recipient) ' "$1" | while read -r who state fault names; do
        case $names in -*) continue ;; esac
        for name in $names; do
            [ -f "$srcdir/tests/replay/$name.replay" ] ||
                echo "no script: $who $state $fault: $name"
        done
    done
    grep '^provider ' "$1" | while read -r who state fault names; do
        case $names in -*) continue ;; esac
        printf '%s\n' "$names" | sed 's/; /\n/g' | while IFS= read -r name; do
            grep -Fq "\"$name\"" "$rows"*.c || grep -Fq "START_TEST($name)" "$rows"*.c ||
                echo "no row or test: $who $state $fault: $name"
        done
    done
}

judge() {
    # shellcheck disable=SC2046
    cells "$1" session "eof timeout half oversize" $(states proxy/smtp/session.h smtp_state SMTP_)
    # shellcheck disable=SC2046
    cells "$1" recipient "eof timeout half oversize" \
        $(states proxy/smtp/session.h recipient_state RECIPIENT_)
    # shellcheck disable=SC2046
    cells "$1" provider "eof timeout half oversize garbage" \
        $(states adapters/smtp/smtp.h smtp_state SMTP_)
    proofs "$1"
}

# Itself first: a matrix that lacks a cell, or names what is not there, must not do.
spoilt=$(mktemp)
trap 'rm -f "$spoilt"' EXIT
sed -e '/^session FINAL eof/d' -e '/^provider RSET half/d' -e 's/eof-body/no-such-script/' \
    -e 's/garbage greeting/no such row/' "$srcdir/tests/replay/MATRIX" >"$spoilt"
found=$(judge "$spoilt" | grep -c -e 'session FINAL eof' -e 'provider RSET half' \
    -e no-such-script -e 'no such row')
[ "$found" -eq 4 ] || { echo "self-test: $found of 4 faults of a spoilt matrix were found"; exit 1; }
[ "$(states proxy/smtp/session.h smtp_state SMTP_ | grep -cx -e COMMAND -e CLOSING)" -eq 2 ] ||
    { echo "self-test: the states of session.h are not read"; exit 1; }

problems=$(judge "$srcdir/tests/replay/MATRIX")
[ -z "$problems" ] || { printf '%s\n' "$problems"; exit 1; }
