#!/bin/sh
# Gives a member its data and starts its server, before its agent, which finds it running and takes over: the first member is the
# primary, and the others follow it. Agents that have to start their servers need as long again, and find no primary at first.
set -eu
cd /var/lib/postgresql
sh /etc/postgresql/unpack.sh
cp /etc/postgresql/pg_hba.conf data/
{
	echo "include '/etc/postgresql/postgresql.conf'"
	# What an agent writes there needs no other start of the server if it is the same. The path of a file of access rules in another
	# folder it does not find out from a replica that runs.
	echo "hba_file = '/var/lib/postgresql/data/pg_hba.conf'"
	echo "ident_file = '/var/lib/postgresql/data/pg_ident.conf'"
	echo "listen_addresses = '0.0.0.0'"
	echo "unix_socket_directories = '/var/run/postgresql'"
	if [ -n "${PGTEST_FIRST:-}" ]; then
		echo "primary_conninfo = '${PGTEST_CONNINFO:?}'"
		echo "primary_slot_name = '${PGTEST_SLOT:?}'"
		touch data/standby.signal
	fi
} >data/postgresql.conf
# These are the settings that Patroni gives on the command line: CMDLINE_OPTIONS in its postgresql/config.py.
(postgres -D /var/lib/postgresql/data --config-file=/var/lib/postgresql/data/postgresql.conf --listen_addresses=0.0.0.0 --port=5432 \
	--cluster_name=dr --wal_level=replica --hot_standby=on --max_connections=100 --max_wal_senders=10 --max_prepared_transactions=0 \
	--max_locks_per_transaction=64 --track_commit_timestamp=off --max_replication_slots=10 --max_worker_processes=8 --wal_log_hints=on &)
# The agent of a primary makes such slots after the agents of replicas have come, too late for a standby that a commit may wait for.
[ -n "${PGTEST_FIRST:-}" ] || (until psql -X -q -h /var/run/postgresql -U postgres -d app -v ON_ERROR_STOP=1 \
	-c "SELECT pg_create_physical_replication_slot(slot) FROM unnest(string_to_array('${PGTEST_SLOTS:?}', ' ')) slot"; do
	sleep 0.05
done >/dev/null 2>&1 &)
