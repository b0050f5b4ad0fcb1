#!/bin/sh
# Gives the roles their password, once, over the server's socket: the template has none, with which nobody gets in. A server that
# takes no writes gets it by replication. Its caller goes on meanwhile.
cd /var/lib/postgresql
[ ! -e secured ] || exit 0
# A commit that waits for a standby would wait for ever: the standby needs the password.
export PGOPTIONS='-c synchronous_commit=local'
while [ ! -S /var/run/postgresql/.s.PGSQL.5432 ]; do
	sleep 0.02
done
until psql -X -q -h /var/run/postgresql -U postgres -d app -v ON_ERROR_STOP=1 -c "DO \$do\$ BEGIN
	WHILE EXISTS (SELECT FROM pg_authid WHERE rolname IN ('postgres', 'replicator') AND rolpassword IS DISTINCT FROM '${PGTEST_PASSWORD:?}') LOOP
		IF pg_is_in_recovery() THEN
			PERFORM pg_sleep(0.02);
		ELSE
			ALTER ROLE postgres PASSWORD '$PGTEST_PASSWORD';
			ALTER ROLE replicator PASSWORD '$PGTEST_PASSWORD';
		END IF;
	END LOOP;
END \$do\$" 2>/dev/null; do
	sleep 0.02
done
touch secured
