#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The list of what the program is made of parses, and names every library that the binary links, and
# no other. Skipped where there is no dpkg.
set -eu
srcdir=${srcdir:-.}
command -v dpkg-query >/dev/null || { echo "no dpkg-query: the list is of Debian's packages"; exit 77; }
command -v python3 >/dev/null || { echo "no python3 (Debian: python3)"; exit 77; }
made=$(mktemp)
trap 'rm -f "$made"' EXIT
sh "$srcdir/tests/sbom.sh" ./octroi >"$made" || exit 1

named=$(python3 -c '
import json, sys
parts = json.load(open(sys.argv[1]))
assert parts["bomFormat"] == "CycloneDX" and parts["specVersion"] == "1.4"
for part in parts["components"]:
    assert part["version"][0].isdigit(), part
    assert part["purl"] == "pkg:deb/debian/{name}@{version}".format(**part), part
    assert all(each["license"]["name"] for each in part["licenses"]) and part["licenses"], part
    print(part["properties"][0]["value"])' "$made" | sort)
linked=$(readelf -d ./octroi | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
[ -n "$linked" ] || { echo "readelf shows no library"; exit 1; }
if [ "$named" != "$linked" ]; then
    echo "named:" "$named"
    echo "linked:" "$linked"
    exit 1
fi
for library in libssl libsqlite3 libcurl libesmtp libevent_core libseccomp; do
    case $named in
    *"$library"*) ;;
    *)
        echo "$library is missing"
        exit 1
        ;;
    esac
done
