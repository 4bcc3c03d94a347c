#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/SECURITY.md claims nothing that is not there: every file and every test that it names exists,
# and a test in parentheses stands in a file that is named before it in the same cell.
set -eu
srcdir=${srcdir:-.}
cd "$srcdir"

# What is wrong with the text on standard input.
wrong() {
    awk -F'|' '
    function there(path) { return system("ls -d " path " >/dev/null 2>&1") == 0 }
    function holds(name, files) { gsub(/\*/, "", name); return system("grep -q \"" name "\" " files) == 0 }
    /^\| / {
        for (cell = 2; cell < NF; cell++) {
            text = $cell
            files = ""
            while (match(text, /`[^`]*`/)) {
                name = substr(text, RSTART + 1, RLENGTH - 2)
                text = substr(text, RSTART + RLENGTH)
                if (name ~ /^test_[a-z0-9_]*\.c$/) path = "tests/unit/" name
                else if (name ~ /^test_[a-z0-9_]*\.py$/) path = "tests/integration/" name
                else if (name ~ /^fuzz_[a-z_*]*$/) path = "tests/fuzz/" name ".c"
                else if (name ~ /^[a-z]+\/[a-z0-9_\/*]*(\.[ch]|\.md)?$/ && name !~ /^(state|keys)\//) path = name
                else if (cell == 4 && name ~ /^[a-z0-9_*]+$/ && name != "wipe") {
                    if (files == "" || !holds(name, files)) print NR ": no test " name
                    continue
                } else continue
                if (!there(path)) print NR ": no " path
                else if (path ~ /^tests\/(unit|integration)/) files = files " " path
            }
        }
    }'
}

sample='| a | `base/seal.c` | `test_cli.c` (`no_such_test_at_all`), `test_nothing.py` |
| b | `base/never.c` | `test_base_seal.c` (`round_trip`), `fuzz_content` |'
if [ "$(printf '%s\n' "$sample" | wrong | wc -l)" -ne 3 ]; then
    echo "self-test: three things are wrong"
    printf '%s\n' "$sample" | wrong
    exit 1
fi
found=$(wrong <docs/SECURITY.md)
[ -z "$found" ] || { echo "$found"; exit 1; }
