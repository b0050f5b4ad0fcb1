#!/bin/sh
# Serves one bucket, over TLS alone.
set -eu
printf '%s' "$CERTIFICATE" >/cert.pem
(umask 077 && printf '%s' "$KEY" >/key.pem)
mkdir -p "/objects/$BUCKET"
exec versitygw --port ":$PORT" --cert /cert.pem --key /key.pem --region "$REGION" posix /objects
