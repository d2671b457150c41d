#!/bin/sh
# Makes the certificates of a cluster of one node, where there are none: certificates.sh NODE,NAME,... FOLDER PUBLIC OWNER
# FOLDER then has node and authority for the broker, who runs as OWNER (uid:gid); PUBLIC has the authority alone.
set -eu
names=$1 folder=$2 public=$3 owner=$4

if [ ! -f "$folder/ca.pem" ]; then
    rm -f "$folder"/*.pem # what is there without it was left by a run that did not end
    laurel kafka certificates "$names" --out "$folder"
fi
chown "$owner" "$folder"/*.pem
cp "$folder/ca.pem" "$public/ca.pem"
chmod 644 "$public/ca.pem"
