#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every key of the configuration is described in octroi.conf(5), under the heading of its group,
# and every subcommand in octroi(1).
set -eu
srcdir=${srcdir:-.}
keys_page=$srcdir/docs/man/octroi.conf.5
commands_page=$srcdir/docs/man/octroi.1

# The keys that octroi.conf.5 describes, as "listeners.*.bind".
described_keys() {
    awk '/^\.Sh / { in_keys = $2 == "KEYS" }
        /^\.Ss / { group = substr($0, 5) "."; if (group == "top level.") group = "" }
        in_keys && /^\.It Cm / { print group $3 }' "$keys_page" | sort
}

# The subcommands octroi.1 describes: items that begin with their name, one word or two.
described_commands() {
    awk '/^\.It (Ic|Cm) / { sub(/^\.It (Ic|Cm) /, ""); name($0) }
        after_xo && /^\.(Ic|Cm) / { sub(/^\.(Ic|Cm) /, ""); name($0) }
        { after_xo = /^\.It Xo/ }
        function name(text) {
            sub(/ *[A-Z].*/, "", text)
            print text
        }' "$commands_page" | sort -u
}

failed=0
# Lines of $1 that are not in $2; $3 says what they are.
missing() {
    rest=$(printf '%s\n' "$1" | while IFS= read -r name; do
        printf '%s\n' "$2" | grep -Fqx -e "$name" || echo "$3: $name"
    done)
    if [ -n "$rest" ]; then
        echo "$rest"
        return 1
    fi
}

if missing 'listeners.*.nonsense' "$(described_keys)" "self-test" >/dev/null ||
    missing 'frobnicate' "$(described_commands)" "self-test" >/dev/null; then
    echo "self-test: a made-up name counts as described"
    exit 1
fi

keys=$(./tests/scan/list_keys | sort)
[ -n "$keys" ] || { echo "list_keys printed nothing"; exit 1; }
missing "$keys" "$(described_keys)" "not in octroi.conf.5" || failed=1
missing "$(described_keys)" "$keys" "in octroi.conf.5, but not a key" || failed=1

commands=$(./octroi help --names) || { echo "octroi help --names failed"; exit 1; }
[ -n "$commands" ] || { echo "octroi help --names printed nothing"; exit 1; }
missing "$commands" "$(described_commands)" "not in octroi.1" || failed=1
exit $failed
