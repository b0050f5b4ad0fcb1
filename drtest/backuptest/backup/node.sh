#!/bin/sh
# Starts a server that is backed up, or a spare: a machine without data, whose server starts once a restore has brought some.
set -eu
cd /var/lib/postgresql
[ -z "${PGTEST_AUTHORITY:-}" ] || printf '%s' "$PGTEST_AUTHORITY" >authority.pem
case $PGTEST_ROLE in
primary)
	# No WAL must be made before there is a place for it. A server that is started again does not need the repository.
	if [ ! -e node.conf ]; then
		sh /etc/postgresql/unpack.sh
		sh -ec "$PGTEST_PREPARE"
	fi
	;;
spare)
	if [ ! -e node.conf ]; then
		mkdir -p data
		chmod 700 data
		touch unpacked # so that no template takes the place of what is restored
		mkfifo restored
		read -r _ <restored
	fi
	;;
esac
exec sh /etc/postgresql/entrypoint.sh
