#!/bin/sh
# Makes the stack's volumes ready. It may run any number of times.
set -eu
umask 027

mkdir -p /s3/levada # the bucket
if [ ! -s /credentials/aws ]; then
	access=$(head -c 10 /dev/urandom | od -An -tx1 | tr -d ' \n')
	secret=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
	printf 'export ROOT_ACCESS_KEY=%s ROOT_SECRET_KEY=%s\n' "$access" "$secret" >/credentials/gateway
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$access" "$secret" >/credentials/aws.new
	mv /credentials/aws.new /credentials/aws
fi
for volume in /nats* /s3 /credentials; do
	[ "$(stat -c %u "$volume")" = 65532 ] || chown -R 65532:65532 "$volume"
done
