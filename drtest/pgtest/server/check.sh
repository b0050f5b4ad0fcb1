#!/bin/sh
# Says what an image lacks of what the harness needs, and puts the programs of PostgreSQL on the PATH.
set -eu
fail() { echo "drtest: the image cannot run a server: $*" >&2; exit 1; }
if ! command -v postgres >/dev/null; then
	set -- /usr/lib/postgresql/*/bin/postgres
	[ $# = 1 ] || fail "it has PostgreSQL more than once: $*; put one of them on the PATH"
	[ ! -e "$1" ] || ln -s "${1%/*}"/* /usr/local/bin/
fi
id postgres >/dev/null 2>&1 || fail "it has no user postgres"
for program in initdb postgres pg_ctl pg_controldata psql find tar grep sed; do
	command -v "$program" >/dev/null || fail "$program is not on the PATH, nor in /usr/lib/postgresql/*/bin"
done
version=$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
[ "$version" -ge 15 ] || fail "it has PostgreSQL $version, and 15 is the least"
