#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every text marked for translation is in po/octroi.pot and has its French in po/fr.po: none
# missing, none doubtful ("fuzzy"), and with the same directives as the English. Its spaces before
# ; : ! ? and inside guillemets are narrow no-break ones.
set -eu
srcdir=${srcdir:-.}
for tool in xgettext msgcmp msgfmt; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is missing (Debian: gettext)"
        exit 77
    fi
done
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

wide=$(printf '\302\240') # U+00A0
open=$(printf '\302\253')
close=$(printf '\302\273')

# Says what is wrong with the catalogue $1 for the template $2.
scan() {
    msgfmt --check --output-file=/dev/null "$1" || return 1
    msgcmp "$1" "$2" || return 1
    if ! grep -q '^"Plural-Forms: nplurals=2; plural=(n > 1);\\n"$' "$1"; then
        echo "$1: plural forms differ from those of trn() in base/language.c"
        return 1
    fi
    if grep -n -E "^msgstr.*(( |$wide)([;:!?]|$close)|$open( |$wide))" "$1"; then
        echo "$1: a space beside punctuation is not U+202F"
        return 1
    fi
}

# Each made-up fault must be found, and the catalogue without one be taken.
self_test() {
    head=$(printf 'msgid ""\nmsgstr ""\n"Language: fr\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n')
    printf '%s\n\n#, c-format\nmsgid "%%s took %%d"\nmsgstr ""\n' "$head" >"$made/wanted.pot"
    printf '%s\n\n#, c-format\nmsgid "%%s took %%d"\nmsgstr "%%s a pris %%d"\n' "$head" >"$made/good.po"
    printf '%s\n\n#, c-format\nmsgid "%%s took %%d"\nmsgstr "%%d pris par %%s"\n' "$head" >"$made/bad1.po"
    printf '%s\n\n#, c-format\nmsgid "%%s took %%d"\nmsgstr ""\n' "$head" >"$made/bad2.po"
    printf '%s\n\n#, fuzzy, c-format\nmsgid "%%s took %%d"\nmsgstr "%%s a pris %%d"\n' "$head" >"$made/bad3.po"
    printf '%s\n' "$head" >"$made/bad4.po"
    sed 's/n > 1/n != 1/' "$made/good.po" >"$made/bad5.po"
    sed "s/ a pris/$wide: a pris/" "$made/good.po" >"$made/bad6.po"
    sed "s/ a pris/ $open a pris/" "$made/good.po" >"$made/bad7.po"
    scan "$made/good.po" "$made/wanted.pot" || {
        echo "self-test: a good catalogue was refused"
        exit 1
    }
    for bad in "$made"/bad?.po; do
        if scan "$bad" "$made/wanted.pot" >/dev/null 2>&1; then
            echo "self-test: $(basename "$bad") was taken"
            exit 1
        fi
    done
}

self_test
sh "$srcdir/po/collect.sh" "$srcdir" "$made/now.pot"
scan "$srcdir/po/fr.po" "$made/now.pot"
cmp -s "$made/now.pot" "$srcdir/po/octroi.pot" || {
    echo "po/octroi.pot is not what the sources say: make update-po"
    exit 1
}
