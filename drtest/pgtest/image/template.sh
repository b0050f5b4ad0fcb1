#!/bin/sh
# Makes the template cluster while the image is built. It must end with a clean stop: nodes that start from
# it then share a history, and need no recovery.
set -eu
data=/var/lib/postgresql/data

# The image layer is not where durability counts; the nodes run with fsync on.
initdb -D "$data" --username=postgres --data-checksums --no-sync \
	--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8
pg_ctl -D "$data" -w -l /tmp/template.log -o "-c config_file=/etc/postgresql/postgresql.conf -c listen_addresses= -c fsync=off" start ||
	{ cat /tmp/template.log; exit 1; }
psql -X -v ON_ERROR_STOP=1 -U postgres -d postgres -c 'CREATE ROLE replicator REPLICATION LOGIN' -c 'CREATE DATABASE app'
pg_ctl -D "$data" -w -m fast stop
pg_controldata "$data" | grep -E 'state: +shut down$'
# Its own files would be read instead of those in /etc/postgresql by whoever starts it without them.
rm /tmp/template.log "$data/postgresql.conf" "$data/pg_hba.conf"
