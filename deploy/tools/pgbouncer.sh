#!/bin/sh
# usage: pgbouncer.sh FOLDER
# Brings Debian 13's pgbouncer (1.24) and its libraries into FOLDER, without root, on any Debian: by apt, which holds them
# against Debian's signatures. They run by their own loader, as an older Debian's C library lacks what they need.
set -eu
folder=$1
suite=trixie
packages='pgbouncer libevent-2.1-7t64 libc6 libssl3t64 libcares2 libsystemd0 libpam0g zlib1g libzstd1 libcap2 libaudit1
  libcap-ng0'

command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo 'pgbouncer comes by apt, which is not here' >&2; exit 1; }
site=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' | head -n 1)
test -n "$site" || { echo 'apt names no source: run apt-get update once' >&2; exit 1; }

rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/packages" "$folder/root"
cd "$folder"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" > apt/sources.list
here=$(pwd)
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$here/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$here/apt/lists" -o Dir::Cache="$here/apt/cache" -o Dir::State::status=/dev/null \
    -o APT::Sandbox::User= "$@" >&2
}
apt update
cd packages
# shellcheck disable=SC2086 # a list
apt download $packages
for package in *.deb; do dpkg -x "$package" ../root; done
cd ..
rm -rf apt packages
