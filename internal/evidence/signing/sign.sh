#!/bin/sh
# Signs the statement that "drreport verify -statement" writes: sign.sh key.pem statement.json >envelope.json
# The key is one of "openssl genpkey -algorithm ed25519"; the envelope is one of DSSE, as in-toto uses it.
set -eu
key=$1 statement=$2 type=application/vnd.in-toto+json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
	printf 'DSSEv1 %d %s %d ' ${#type} "$type" "$(wc -c <"$statement")"
	cat "$statement"
} >"$work/signed"
openssl pkeyutl -sign -rawin -inkey "$key" -in "$work/signed" -out "$work/signature"
printf '{"payload":"%s","payloadType":"%s","signatures":[{"sig":"%s"}]}\n' \
	"$(base64 -w 0 <"$statement")" "$type" "$(base64 -w 0 <"$work/signature")"
