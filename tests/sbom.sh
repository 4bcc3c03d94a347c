#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Of what the program is made: a CycloneDX list of the shared libraries that a binary links directly,
# with the package, version and licence that this machine has them from (Debian's dpkg). A library
# of no package is an error, not a gap.
# Usage: tests/sbom.sh BINARY
set -eu

binary=$1
LC_ALL=C
export LC_ALL
name=$(basename "$binary")

quoted() {
    printf '%s' "$1" | tr -d '\000-\037' | sed 's/["\\]/\\&/g; s/^/"/; s/$/"/'
}

# The path of a library: what the loader takes.
path_of() {
    printf '%s\n' "$loaded" | awk -v name="$1" '$1 == name && $2 == "=>" { print $3; exit }'
}

# The package of a file; its name may be the one before /lib became a link.
package_of() {
    real=$(realpath "$1")
    for path in "$1" "$real" "/usr$real" "${real#/usr}"; do
        found=$(dpkg-query -S "$path" 2>/dev/null | sed -n '1s/: .*//p')
        [ -z "$found" ] || { printf '%s' "$found"; return; }
    done
}

# All licences that the package's copyright file names, a line each: of its library, but also of its
# tools and tests, so that which one counts is to be read there. Where it is prose, only that.
licences_of() {
    file=/usr/share/doc/${1%%:*}/copyright
    named=$(sed -n 's/^License:[ \t]*\([^ \t].*\)/\1/p' "$file" 2>/dev/null | sort -u)
    printf '%s\n' "${named:-see $file}"
}

# JSON of those.
licences() {
    licences_of "$1" | while IFS= read -r licence; do
        printf '%s{"license": {"name": %s}}' "${comma:-}" "$(quoted "$licence")"
        comma=', '
    done
}

needed=$(readelf -d "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ -n "$needed" ] || { echo "$binary links no library, or is no binary" >&2; exit 1; }
loaded=$(ldd "$binary")

printf '{\n"bomFormat": "CycloneDX",\n"specVersion": "1.4",\n"version": 1,\n'
printf '"metadata": {"component": {"type": "application", "name": %s, "version": %s, "licenses": [{"license": {"id": "Apache-2.0"}}]}},\n' \
    "$(quoted "$name")" "$(quoted "$("$binary" --version | sed 's/.* //')")"
printf '"components": ['
separator=
for library in $needed; do
    path=$(path_of "$library")
    package=$([ -z "$path" ] || package_of "$path")
    [ -n "$package" ] || { echo "$library: of no package" >&2; exit 1; }
    version=$(dpkg-query -W -f '${Version}' "$package")
    printf '%s\n{"type": "library", "name": %s, "version": %s, "purl": %s, "licenses": [%s], "properties": [{"name": "soname", "value": %s}]}' \
        "$separator" "$(quoted "${package%%:*}")" "$(quoted "$version")" \
        "$(quoted "pkg:deb/debian/${package%%:*}@$version")" "$(licences "$package")" "$(quoted "$library")"
    separator=,
done
printf '\n]\n}\n'
