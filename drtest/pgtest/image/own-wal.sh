#!/bin/sh
# Replaces the WAL of the image with copies of the container's own. PostgreSQL reads a segment while another of its processes
# writes it, and on a layered file system who has opened a file of the image does not see what is written to it later: a
# standby would wait for WAL that it has.
set -eu
for f in /var/lib/postgresql/data/pg_wal/0*; do
	[ -e "$f" ] || continue # a server that is restored has none yet
	cp -p "$f" "$f.own"
	mv "$f.own" "$f"
done
