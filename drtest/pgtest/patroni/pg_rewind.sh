#!/bin/sh
# Keeps the WAL before it is rewound: it alone tells what this node committed after the cluster had left its timeline.
set -eu
kept=/var/lib/postgresql/kept
n=0
while [ -e "$kept/$n" ]; do n=$((n + 1)); done
mkdir -p "$kept"
cp -a /var/lib/postgresql/data/pg_wal "$kept/$n"
exec /usr/lib/postgresql/17/bin/pg_rewind "$@"
