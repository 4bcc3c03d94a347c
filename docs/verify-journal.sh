#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks a journal without octroi: sha256sum, xxd and openssl only. See docs/JOURNAL.md.
# One row takes a few processes, so this is for a sample or a doubt; `octroi verify` is for speed.
# The folder may begin with a later segment, as an excerpt does: what came before is then taken from
# that segment's own record, and is held by the first checkpoint.
set -eu
if [ $# -ne 2 ]; then
    echo "usage: $0 JOURNAL_FOLDER PUBLIC_KEY.pem" >&2
    exit 2
fi
folder=$1
key=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bad() {
    echo "row $((row + 1)), $file line $((line + 1)): $1" >&2
    exit 1
}

# The value of a plain text or number field of the record.
field() {
    printf '%s' "$record" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# "1 row", "2 rows".
several() {
    if [ "$1" -eq 1 ]; then echo "$1 $2"; else echo "$1 $2s"; fi
}

check_checkpoint() {
    # Of an excerpt, the first checkpoint says how many rows came before it.
    if [ -z "$counted" ]; then
        before=$(($(field row) - row))
        [ "$before" -ge 0 ] || bad "the checkpoint names another row"
        counted=yes
    fi
    [ "$(field row)" = "$((before + row))" ] || bad "the checkpoint names another row"
    [ "$(field head)" = "$head" ] || bad "the checkpoint names another hash"
    printf 'octroi-checkpoint-1\n%s\n%s\n%s\n%s\n' \
        "$(field gateway)" "$((before + row))" "$head" "$(field at)" >"$work/text"
    field signature | openssl base64 -d -A >"$work/signature"
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/text" \
        -sigfile "$work/signature" >"$work/answer" 2>&1 ||
        bad "the checkpoint's signature does not hold"
    checkpoints=$((checkpoints + 1))
}

row=0
before=0
counted=yes
checkpoints=0
segments=0
number=0
head=$(printf '%064d' 0)
for path in "$folder"/????????.seg; do
    if [ "$segments" -eq 0 ] && [ "$path" != "$folder/00000001.seg" ] && [ -f "$path" ]; then
        number=$(basename "$path" .seg | sed 's/^0*//')
        number=$((number - 1))
        record=$(head -n 1 "$path")
        head=$(field previous)
        counted=
        echo "this is an excerpt: it begins with segment $((number + 1)), after hash $head"
    fi
    number=$((number + 1))
    segments=$((segments + 1))
    file=$(printf '%08d.seg' "$number")
    line=0
    [ "$folder/$file" = "$path" ] || bad "the file is missing"
    while IFS= read -r text; do
        hash=${text%% *}
        rest=${text#* }
        salt=${rest%% *}
        record=${rest#* }
        if [ "$record" = "-" ]; then
            inner=$salt # erased: what was left of it is the hash
        else
            inner=$({ printf '%s' "$salt" | xxd -r -p; printf '%s' "$record"; } | sha256sum)
            inner=${inner%% *}
        fi
        sum=$(printf '%s%s' "$head" "$inner" | xxd -r -p | sha256sum)
        [ "${sum%% *}" = "$hash" ] ||
            bad "the record does not match its hash"
        case $record in
        '{"type":"checkpoint",'*) check_checkpoint ;;
        '{"type":"segment",'*)
            [ "$line" -eq 0 ] || bad "a segment's record in its middle"
            [ "$(field segment)" = "$number" ] || bad "the segment has another number"
            [ "$(field previous)" = "$head" ] || bad "the segment does not follow the one before"
            ;;
        *) [ "$line" -gt 0 ] || bad "the segment does not begin with its own record" ;;
        esac
        head=$hash
        row=$((row + 1))
        line=$((line + 1))
    done <"$path"
done
[ "$checkpoints" -gt 0 ] || echo "no checkpoint: nothing here is signed"
echo "$(several "$row" row) and $(several "$checkpoints" checkpoint) in" \
    "$(several "$segments" segment) hold; the last hash is $head"
