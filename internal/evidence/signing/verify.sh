#!/bin/sh
# Checks an envelope of sign.sh, and that it is about a bundle: verify.sh public.pem envelope.json bundle.zip
# It prints the statement. Then "drreport verify bundle.zip" says whether the bundle is whole.
set -eu
key=$1 envelope=$2 bundle=$3 type=application/vnd.in-toto+json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^{"payload":"\([A-Za-z0-9+\/=]*\)","payloadType":"[a-z.+\/-]*","signatures":\[{"sig":"[A-Za-z0-9+\/=]*"}\]}$/\1/p' "$envelope" | base64 -d >"$work/statement"
sed -n 's/^{.*"sig":"\([A-Za-z0-9+\/=]*\)"}\]}$/\1/p' "$envelope" | base64 -d >"$work/signature"
{
	printf 'DSSEv1 %d %s %d ' ${#type} "$type" "$(wc -c <"$work/statement")"
	cat "$work/statement"
} >"$work/signed"
openssl pkeyutl -verify -rawin -pubin -inkey "$key" -in "$work/signed" -sigfile "$work/signature" >&2
sum=$(sha256sum "$bundle" | cut -d ' ' -f 1)
if ! sed -n '/"subject": \[/,/^  \],/p' "$work/statement" | grep -q "\"sha256\": \"$sum\""; then
	echo "the statement is about another bundle" >&2
	exit 1
fi
cat "$work/statement"
