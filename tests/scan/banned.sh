#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls the house does without, and files that do not say their licence.
set -eu
srcdir=${srcdir:-.}
here=$(cd "$srcdir" && pwd)/tests/scan
# pthread_cond_timedwait is base/wake's alone: a deadline by the clock on the wall sleeps an hour too long
# when that is set back.
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|alloca|system|popen|pthread_cond_timedwait'

# Banned calls outside tests/ under the folder $1; names in comments and texts do not count.
calls() {
    (cd "$1" && find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) \
        ! -path './tests/*' ! -path './base/wake.c' ! -path './build*' ! -path './_*' ! -path './.*/*' ! -path '*/node_modules/*' \
        -exec awk -f "$here/code.awk" {} + |
        grep -E "[^A-Za-z0-9_]($banned)[[:space:]]*\(" || true)
}

# Files without an SPDX line in their first three, under the folder $1.
unlicensed() {
    (cd "$1" && find base wire policy config store office adapters proxy cli tests docs -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.sh' -o -name '*.am' \
        -o -name '*.awk' -o -name '*.py' -o -name '*.[1-8]' \) \
        ! -path '*/node_modules/*' ! -name '*.trs' -exec awk '
        function judge() {
            if (file != "" && !said)
                print file ": no SPDX-License-Identifier"
        }
        FNR == 1 { judge(); file = FILENAME; said = 0 }
        FNR <= 3 && /SPDX-License-Identifier: Apache-2\.0/ { said = 1 }
        END { judge() }' {} +)
}

self_test() {
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    for folder in base wire policy config store office adapters proxy cli tests docs; do
        mkdir "$made/$folder"
    done
    {
        echo '/* SPDX-License-Identifier: Apache-2.0 */'
        echo '/* never system("rm"), nor'
        echo ' * sprintf(x) */'
        echo 'int file_system(void) { puts("gets(\"x\")"); return my_atoi(1); } // atoi(2)'
        echo "char c = '\"'; int d = snprintf(0, 0, \"\");"
    } >"$made/base/good.c"
    {
        echo 'int x = atoi("1");'
        echo 'int y; /* a remark */ int z = sprintf (a, "b");'
        echo 'int w = (system("ls"), 1);'
    } >"$made/cli/bad.c"
    cp "$made/cli/bad.c" "$made/tests/allowed.c"
    found=$(calls "$made" | wc -l)
    silent=$(unlicensed "$made" | wc -l)
    if [ "$found" -ne 3 ] || [ "$silent" -ne 2 ]; then
        echo "self-test: 3 banned calls made, $found found; 2 bare files made, $silent found"
        calls "$made"
        unlicensed "$made"
        exit 1
    fi
}

self_test
wrong=$(calls "$srcdir"; unlicensed "$srcdir")
if [ -n "$wrong" ]; then
    echo "$wrong"
    exit 1
fi
