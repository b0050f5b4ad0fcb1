#!/bin/sh
# What a repository of PostgreSQL's own backups is asked for. It has files of WAL in wal, backups in base and, in chains, the
# labels of the backups that each is made of, the full one first.
set -eu
cd /var/lib/pgbackrest
case $1 in
last) # the last label
	ls chains | tail -n 1
	;;
note) # label, label of the backup that it is based on or nothing
	chain="${3:+$(cat "chains/$3") }$2"
	echo "$chain" >"chains/$2"
	# The size of the server's files and of those in the repository, and where WAL begins.
	du -sb --exclude=pg_wal /var/lib/postgresql/data | cut -f 1
	(cd base && du -cbs $chain | tail -n 1 | cut -f 1)
	sed -n 's/^START WAL LOCATION: \([^ ]*\).*/\1/p' "base/$2/backup_label"
	;;
restore) # label, the folder to restore to, settings, the name of the file that makes a server recover
	cd base
	chain=$(cat "../chains/$2")
	# What pg_combinebackup is given it takes for intact.
	for link in $chain; do
		pg_verifybackup --no-parse-wal --quiet "$link"
	done
	data=$3
	[ -z "$(ls -A "$data/")" ] || { echo "$data is not empty"; exit 1; }
	pg_combinebackup --output="$data" $chain
	printf '%s' "$4" >>"$data/postgresql.auto.conf"
	touch "$data/$5"
	;;
archived) # the last file of WAL
	ls wal | grep -xE '[0-9A-F]{24}' | sort -k 1.9 | tail -n 1
	;;
esac
