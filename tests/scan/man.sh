#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages hold to mdoc.
set -eu
srcdir=${srcdir:-.}
if ! command -v mandoc >/dev/null; then
    echo "mandoc is missing (Debian: mandoc)"
    exit 77
fi
made=$(mktemp)
trap 'rm -f "$made"' EXIT
printf '.Dd x\n.Sh NAME\n.Nosuch\n' >"$made"
if mandoc -T lint -W warning "$made" >/dev/null; then
    echo "self-test: mandoc took a page that is wrong"
    exit 1
fi
mandoc -T lint -W warning "$srcdir"/docs/man/*.[1-8]
