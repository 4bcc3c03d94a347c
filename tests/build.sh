#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Configures and builds in a folder of its own, doing only what is needed.
# Usage: tests/build.sh FOLDER [configure options]
set -eu

folder=$1
shift
cd "$(dirname "$0")/.."
top=$PWD

# Two builds may begin together: the first prepares for both.
exec 9<.
flock 9
stale=$(find configure.ac Makefile.am ./*/include.am tests/*/*.am -newer configure 2>/dev/null | head -n 1)
if [ ! -x configure ] || [ -n "$stale" ]; then
    echo "preparing the build system"
    autoreconf -fi >autoreconf.log 2>&1 || {
        cat autoreconf.log
        exit 1
    }
    rm -f autoreconf.log
fi
exec 9<&-
mkdir -p "$folder"
cd "$folder"
if [ ! -f Makefile ] || [ "$top/configure" -nt Makefile ] || [ ! -f .options ] ||
    [ "$(cat .options)" != "$*" ]; then
    echo "configuring in $folder"
    # By a relative name: configure refuses a source folder whose path has a space in it.
    "$(realpath --relative-to=. "$top")/configure" "$@" >configure.out 2>&1 || {
        tail -n 20 configure.out
        exit 1
    }
    # Objects made with other options do not link with new ones.
    if [ ! -f .options ] || [ "$(cat .options)" != "$*" ]; then
        make -s clean >/dev/null
    fi
    printf '%s' "$*" >.options
fi
echo "building in $folder"
make -s -j"$(nproc)" all >make.out 2>&1 || {
    tail -n 60 make.out
    exit 1
}
