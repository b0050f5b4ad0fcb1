#!/bin/sh
# Makes the template cluster while the image is built. It must end with a clean stop: nodes that start from
# it then share a history, and need no recovery.
set -eu
data=/var/lib/postgresql/data

# The image layer is not where durability counts; the nodes run with fsync on.
locale=--locale=C # PostgreSQL 17 brings C.UTF-8 itself; before it, an image may have none
if [ "$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')" -ge 17 ]; then
	locale="--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8"
fi
initdb -D "$data" --username=postgres --data-checksums --no-sync --encoding=UTF8 $locale
pg_ctl -D "$data" -w -l /tmp/template.log -o "-c config_file=/etc/postgresql/postgresql.conf -c listen_addresses= -c fsync=off" start ||
	{ cat /tmp/template.log; exit 1; }
# One database, and the template of others: each has three hundred files, which take a node longer to copy than all else.
psql -X -h /var/run/postgresql -v ON_ERROR_STOP=1 -U postgres -d template1 -c 'CREATE ROLE replicator REPLICATION LOGIN' \
	-c 'ALTER DATABASE postgres RENAME TO app' -c 'COMMENT ON DATABASE app IS NULL' \
	-c 'ALTER DATABASE template0 IS_TEMPLATE false' -c 'DROP DATABASE template0'
pg_ctl -D "$data" -w -m fast stop
pg_controldata "$data" | grep -E 'state: +shut down$'
# Its own files would be read instead of those in /etc/postgresql by whoever starts it without them.
rm /tmp/template.log "$data/postgresql.conf" "$data/pg_hba.conf"
tar -cSf /etc/postgresql/template.tar -C "$data" . 2>/dev/null || # without the holes in files of WAL
	tar -cf /etc/postgresql/template.tar -C "$data" .
find "$data" -mindepth 1 -delete
