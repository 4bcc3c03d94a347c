#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Collects what is marked for translation in the sources of $1 into the template $2. Of a place only
# the file is kept, and no date, so that a change of code alone changes no catalogue.
set -eu
srcdir=$1
template=$2
(cd "$srcdir" && find base policy config store office console adapters proxy cli -name '*.[ch]' | LC_ALL=C sort) |
    xgettext --directory="$srcdir" --files-from=- --output=- --language=C --from-code=UTF-8 \
        --keyword --keyword=N_ --keyword=tr:2 --keyword=trn:2,3 --keyword=SAY:2 \
        --add-comments=Translators --add-location=file --no-wrap \
        --package-name=octroi --copyright-holder='The octroi authors' |
    sed -e '/^"POT-Creation-Date:/d' -e 's/charset=CHARSET/charset=UTF-8/' >"$template.new"
mv "$template.new" "$template"
