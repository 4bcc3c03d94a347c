#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines the inputs of each fuzz target run, of what the target is there for: builds in
# build-coverage/, replays the corpus kept here and, of each folder named, the inputs that grew in
# FOLDER/NAME/corpus (libFuzzer) or FOLDER/NAME/*/queue (AFL++). Needs gcovr (Debian: gcovr).
# Usage: tests/fuzz/coverage.sh [FOLDER]…     (such as build-fuzz/tests/fuzz/work)
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
folders=
for each in "$@"; do
    folders="$folders $(cd "$each" && pwd)"
done
cd "$top"
command -v gcovr >/dev/null || {
    echo "coverage needs gcovr: apt-get install gcovr" >&2
    exit 1
}
sh tests/build.sh build-coverage --enable-coverage CFLAGS='-g -O0 -fprofile-update=atomic' \
    CXXFLAGS='-g -O0 -fprofile-update=atomic'

# What each is there for, as gcovr's filters.
of() {
    case $1 in
    command) echo proxy/smtp/command.c proxy/smtp/xclient.c ;;
    config) echo config/ ;;
    content) echo proxy/smtp/content.c ;;
    csv) echo base/csv.c ;;
    form) echo store/form.c ;;
    header) echo proxy/smtp/header.c ;;
    http_connection) echo proxy/http/ ;;
    http_shapes) echo proxy/http/ ;;
    import) echo 'store/import_(csv|detect|input|json|twilio).c' ;;
    journal) echo 'store/(segment|segment_chain|segment_record|record_check|journal_verify).c' ;;
    link) echo proxy/unsubscribe/link.c ;;
    proxy) echo proxy/net/proxy_protocol.c ;;
    recipient) echo policy/recipient.c policy/phone.cc ;;
    relay) echo adapters/smtp/ ;;
    reply) echo adapters/smtp/reply.c ;;
    server) echo proxy/smtp/ ;;
    smpp_pdu) echo wire/ policy/stop.c ;;
    smpp_session) echo proxy/smpp/ ;;
    template) echo adapters/http/ ;;
    *) echo "what is $1 there for? say so in $0" >&2 && exit 1 ;;
    esac
}

printf '%-16s %8s %16s\n' target inputs 'lines run'
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    make -s -C build-coverage "tests/fuzz/fuzz_$name" >build-coverage/fuzz.out 2>&1 || {
        tail -n 20 build-coverage/fuzz.out
        exit 1
    }
    find build-coverage -name '*.gcda' -delete
    list=$(mktemp)
    find "tests/fuzz/corpus/$name" -type f >"$list"
    for folder in $folders; do
        find "$folder/$name" -type f \( -path '*/corpus/*' -o -path '*/queue/id*' \) >>"$list" 2>/dev/null || true
    done
    # One that fails is a finding, and loses the lines of those that came with it: it is said.
    sed "s|^tests/|$top/tests/|" "$list" | (cd build-coverage && xargs -n 500 -d '\n' \
        "tests/fuzz/fuzz_$name") >build-coverage/fuzz.out 2>&1 || {
        echo "fuzz_$name failed:"
        tail -n 5 build-coverage/fuzz.out
    }
    filters=
    for each in $(of "$name"); do
        filters="$filters --filter $each"
    done
    # shellcheck disable=SC2086
    gcovr --root . $filters --csv --output build-coverage/fuzz.csv build-coverage 2>build-coverage/fuzz.out
    awk -F, -v name="$name" -v inputs="$(wc -l <"$list")" '
        FNR > 1 { lines += $2; run += $3 }
        END { printf "%-16s %8d %6d of %5d %3.0f %%\n", name, inputs, run, lines, (lines > 0 ? 100 * run / lines : 0) }
        ' build-coverage/fuzz.csv
    rm -f "$list"
done
