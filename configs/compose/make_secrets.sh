#!/bin/sh
# Writes a random value for each secret of docker-compose.yml into a folder (./secrets) that only this user can enter.
# What is there stays: a changed database password would lock out a database that exists.
set -eu
folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"
for name in ray_token database_password redis_password aws_access_key_id aws_secret_access_key secret_key \
  grafana_admin_password; do
  [ -s "$folder/$name" ] && continue
  # Readable inside its container by whatever user runs there; the folder keeps the others of this machine out.
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$name"
  chmod 444 "$folder/$name"
done
