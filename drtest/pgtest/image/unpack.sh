#!/bin/sh
# Gives a node its data, once: a copy of the template. The node's home is a volume, so its files are on the host's file system.
# Those in the layers of an image would be copied one by one as the server opens them, and on a layered file system who has
# opened one of them for reading does not see what others write to it later: a standby would wait for WAL that it has.
set -eu
cd /var/lib/postgresql
[ ! -e data ] || exit 0
rm -rf data.new
mkdir data.new
tar -xf /etc/postgresql/template.tar -C data.new
mv data.new data
