#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Includes point one way: cli -> proxy -> adapters -> console -> office -> store -> config -> policy -> wire -> base. A
# folder may skip downwards, never look up; proxy knows of adapters only adapter.h, sms.h and webhook.h;
# libconfig is used in one file.
set -eu
srcdir=${srcdir:-.}

# Prints what is wrong under the folder $1.
scan() {
    (cd "$1" && find base wire policy config store office console adapters proxy cli -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -exec awk '
        BEGIN {
            n = split("base wire policy config store office console adapters proxy cli", order, " ")
            for (i = 1; i <= n; i++)
                rank[order[i]] = i
        }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            target = $0
            sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
            quoted = substr(target, 1, 1) == "\""
            target = substr(target, 2)
            sub(/[">].*/, "", target)
            split(FILENAME, from, "/")
            split(target, to, "/")
            place = FILENAME ":" FNR ": "
            if (target == "libconfig.h" && FILENAME != "config/tree_read.c")
                print place "libconfig.h belongs in config/tree_read.c alone"
            else if (!(to[1] in rank)) {
                if (quoted)
                    print place "\"" target "\" names no folder of the house"
            } else if (!quoted)
                print place "<" target "> is a header of the house: use quotes"
            else if (rank[to[1]] > rank[from[1]])
                print place from[1] " looks up to " target
            else if (from[1] == "proxy" && to[1] == "adapters" && target != "adapters/adapter.h" &&
                     target != "adapters/sms.h" && target != "adapters/webhook.h")
                print place "proxy and adapters meet only through adapters/adapter.h, sms.h and webhook.h"
        }' {} +)
}

# A check that cannot fail proves nothing: each made-up bad line must be found, and no good one.
self_test() {
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    for folder in base wire policy config store office console adapters proxy cli; do
        mkdir "$made/$folder"
        printf '#include "base/error.h"\n#include <stdio.h>\n' >"$made/$folder/good.c"
    done
    printf '#include "policy/model.h"\n' >"$made/base/bad.h"
    printf '# include "proxy/session.h"\n' >"$made/adapters/bad.c"
    printf '#include "adapters/smtp.h"\n#include "adapters/adapter.h"\n' >"$made/proxy/bad.c"
    printf '#include "neighbour.h"\n' >"$made/cli/bad.c"
    printf '#include <base/error.h>\n' >"$made/policy/bad.cc"
    printf '#include <libconfig.h>\n' >"$made/config/bad.c"
    found=$(scan "$made" | wc -l)
    if [ "$found" -ne 6 ]; then
        echo "self-test: 6 bad lines made, $found found:"
        scan "$made"
        exit 1
    fi
}

self_test
wrong=$(scan "$srcdir")
if [ -n "$wrong" ]; then
    echo "$wrong"
    exit 1
fi
