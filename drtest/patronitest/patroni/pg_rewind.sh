#!/bin/sh
# Keeps the WAL before it is rewound: it alone tells what this node committed after the cluster had left its timeline. The server
# has stopped by then. What was kept once stays as it is: a second attempt may find files that the first one has replaced.
set -eu
kept=/var/lib/postgresql/kept
if [ "${1:-}" != --help ]; then # with which the agent of a server that runs asks whether it could be rewound
	mkdir -p "$kept"
	for file in /var/lib/postgresql/data/pg_wal/????????????????????????; do
		name=${file##*/}
		if [ ! -e "$kept/$name" ]; then
			cp -a "$file" "$kept/part"
			mv "$kept/part" "$kept/$name"
		fi
	done
fi
exec "$(readlink -f /etc/postgresql/real_pg_rewind)" "$@"
