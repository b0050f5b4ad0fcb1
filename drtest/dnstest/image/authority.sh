#!/bin/sh
# Serves the zone DOMAIN, whose records live TTL seconds. Who is in this container may update it.
set -eu
mkdir -p /run/knot /var/lib/knot/zone
cat >/etc/knot/knot.conf <<END
server:
    listen: 0.0.0.0@53
log:
  - target: stderr
    any: info
acl:
  - id: here
    address: 127.0.0.1
    action: update
zone:
  - domain: ${DOMAIN:?}
    storage: /var/lib/knot/zone
    file: zone
    acl: here
    zonefile-sync: -1
END
# The last number is how long resolvers remember that a name does not exist.
cat >/var/lib/knot/zone/zone <<END
\$ORIGIN $DOMAIN.
\$TTL ${TTL:?}
@ SOA ns hostmaster 1 3600 600 86400 $TTL
@ NS ns
ns A $(hostname -i)
END
exec knotd
