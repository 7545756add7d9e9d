#!/bin/bash
# Makes the keys and certificates of the tests anew, with OpenSSL 3. They protect nothing: the private
# keys are here for everybody to read.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Of any time: tests run where the clock is not set.
from=20000101000000Z to=21000101000000Z
cat >"$work/conf" <<CONF
[req]
distinguished_name = name
[name]
[ca]
default_ca = this
[this]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[server]
basicConstraints = critical, CA:false
subjectAltName = DNS:localhost, DNS:camera.example, IP:127.0.0.1, IP:::1, IP:10.0.0.1, IP:fd00::1
[client]
basicConstraints = critical, CA:false
extendedKeyUsage = clientAuth
[other]
subjectAltName = DNS:elsewhere.example
CONF
: >"$work/index"

# new NAME SUBJECT KEY... : a key, and a request for its certificate.
new() {
    openssl req -new -config "$work/conf" -subj "/CN=$2" -newkey "${@:3}" -nodes \
        -keyout "$here/$1.key" -out "$work/$1.csr" 2>/dev/null
}

# issue NAME SECTION OPTIONS... : its certificate.
issue() {
    openssl ca -batch -notext -config "$work/conf" -extensions "$2" -startdate "$from" \
        -enddate "$to" -in "$work/$1.csr" -out "$here/$1.pem" "${@:3}" 2>/dev/null
}

ec=(ec -pkeyopt ec_paramgen_curve:prime256v1)
# An authority, and what it has issued: for a server, and for a client.
new ca "Test authority" "${ec[@]}"
issue ca authority -selfsign -keyfile ca.key
new server "Test server" "${ec[@]}"
issue server server -cert ca.pem -keyfile ca.key
new client "Test client" "${ec[@]}"
issue client client -cert ca.pem -keyfile ca.key
# Issued by itself, as most cameras have it, and for another name; RSA.
new other "Another server" rsa:2048
issue other other -selfsign -keyfile other.key
rm ca.key
