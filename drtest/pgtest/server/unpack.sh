#!/bin/sh
# Gives a node its data, once: a copy of the template. The node's home is a volume, so its files are on the host's file system.
# Those in the layers of an image would be copied one by one as the server opens them, and on a layered file system who has
# opened one of them for reading does not see what others write to it later: a standby would wait for WAL that it has.
set -eu
cd /var/lib/postgresql
[ ! -e unpacked ] || exit 0
mkdir -p data # which an image may have as a volume of its own
find data -mindepth 1 -delete
tar -xf /etc/postgresql/template.tar -C data
chmod 700 data
touch unpacked
