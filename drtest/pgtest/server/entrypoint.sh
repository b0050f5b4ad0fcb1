#!/bin/sh
# Starts the node, as the child of docker-init. Its role is decided before the first start and never again:
# a standby that has been promoted must come back as a primary.
set -eu
cd /var/lib/postgresql
if [ ! -e node.conf ]; then
	sh /etc/postgresql/unpack.sh
	printf '%s\n' "${PGTEST_CONF:-}" >node.conf.new
	if [ "${PGTEST_ROLE:?}" = replica ]; then
		touch data/standby.signal
	fi
	mv node.conf.new node.conf
fi
# A container starts with no process, so a lock that names one is from before a crash.
rm -f data/postmaster.pid /var/run/postgresql/.s.PGSQL.5432*
if [ "$PGTEST_ROLE" = primary ]; then
	(sh /etc/postgresql/password.sh &) # of a replica and of a restored server it is in their data
fi
exec postgres -c config_file=/etc/postgresql/postgresql.conf
