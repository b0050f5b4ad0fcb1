#!/bin/sh
# Starts a server that is backed up, or a spare: a machine without data, whose server starts once a restore has brought some.
set -eu
cd /var/lib/postgresql
[ -z "${PGTEST_AUTHORITY:-}" ] || printf '%s' "$PGTEST_AUTHORITY" >authority.pem
case $PGTEST_ROLE in
primary)
	# No WAL must be made before there is a place for it. A server that is started again does not need the repository.
	[ -e node.conf ] || sh -ec "$PGTEST_PREPARE"
	;;
spare)
	if [ ! -e node.conf ]; then
		# Data that is restored under the very names that the image has is taken for there by some storage drivers
		# (fuse-overlayfs: mkdir fails with EEXIST).
		rm -rf data
		mkdir -m 700 restored-data
		ln -s restored-data data
		mkfifo restored
		read -r _ <restored
	fi
	;;
esac
exec sh /etc/postgresql/entrypoint.sh
