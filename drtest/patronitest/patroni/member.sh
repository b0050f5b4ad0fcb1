#!/bin/sh
# Starts a member of the store, or an agent with its server, as the child of docker-init.
set -eu
cd /var/lib/postgresql
(
	umask 077
	printf '%s' "${PGTEST_CERTIFICATE:?}" >store.crt
	printf '%s' "${PGTEST_KEY:?}" >store.key
)
if [ "$1" = etcd ]; then
	exec "$@"
fi
printf '%s\n' "${PGTEST_CONF:-}" >node.conf
[ -e agent.json ] || (umask 077 && printf '%s\n' "${PGTEST_AGENT:?}" >agent.json) # which is YAML
# A container starts with no process, so a lock that names one is from before a crash.
rm -f data/postmaster.pid /var/run/postgresql/.s.PGSQL.5432*
if [ ! -e agent.pid ]; then
	sh /etc/postgresql/first_start.sh
	export PGTEST_AWAIT="${PGTEST_FIRST:-}"
fi
(sh /etc/postgresql/password.sh &)
echo $$ >agent.pid
exec python3 /etc/postgresql/agent.py agent.json
