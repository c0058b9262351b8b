#!/bin/sh
# Assembles the root of an image from the base it is built in: an application, its interpreter or program, the libraries
# that both are linked with, certificates, and a user. No shell, no package manager, no compiler.
#
#   assemble.sh python|node|hive_router ROOT APPLICATION
set -eu
interpreter=$1 root=$2 application=$3
mkdir -p "$root/tmp" "$root/etc" "$root/var/lib/dpkg/status.d" "$root/proc" "$root/dev" "$root/sys" "$root/run"
chmod 1777 "$root/tmp"

# Where /lib is a link to /usr/lib, it is one in the image.
for each in /bin /lib /lib64; do
  if [ -L "$each" ]; then mkdir -p "$root/$(readlink "$each")"; cp -P "$each" "$root$each"; fi
done

# A program may be a link to a link to itself.
program=$(command -v "$( [ "$interpreter" = python ] && echo python3 || echo "$interpreter" )")
while [ -L "$program" ]; do
  cp -P --parents "$program" "$root"
  program=$(cd "$(dirname "$program")"; realpath -s "$(readlink "$program")")
done
cp --parents "$program" "$root"
cp -a --parents "$application" "$root"

if [ "$interpreter" = python ]; then
  library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  cp -a --parents "$library" "$root"
  # What a service never imports: tests, windows, what installs, headers, and pip in the base's own packages.
  for each in test idlelib tkinter turtledemo turtle.py ensurepip lib2to3 pydoc_data venv site-packages dist-packages; do
    rm -rf "${root:?}$library/$each"
  done
  rm -rf "$root$library"/config-*
  # Of the programs in it, only its interpreter and the entrypoint are for anybody.
  find "$root$application/bin" ! -type d ! -name 'python*' ! -name kith -delete
  find "$root$application" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
  find "$root$application" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.cpp' \
    -o -name '*.h' \) -delete
  find "$root" -depth -type d -name __pycache__ -exec rm -rf {} +
  # Checked against nothing when it is read: the files beside it cannot change.
  python3 -m compileall -q -j 0 -s "$root" --invalidation-mode unchecked-hash "$root$library" "$root$application"
fi

# The libraries, by what the linker says of every program and library there is.
find "$root" -type f \( -name '*.so*' -o -path '*/bin/*' -o -name '*.node' \) -exec ldd {} + 2>/dev/null \
  | sed -n 's/^[[:space:]].*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]\(\/[^ ]*\) (.*/\1/p' | sort -u >/tmp/libraries
while read -r each; do
  if [ -e "$root$each" ]; then continue; fi
  cp -L --parents "$each" "$root"
  # Scanners read here which package of the base a library is of.
  package=$(dpkg-query -S "$(realpath "$each")" "$each" 2>/dev/null | head -1 | cut -d: -f1)
  if [ -n "$package" ]; then dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"; fi
done </tmp/libraries
rm /tmp/libraries
ldconfig -r "$root"

cp -L --parents /etc/os-release "$root"
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp -L --parents /etc/ssl/certs/ca-certificates.crt "$root"; fi
printf 'root:x:0:0::/:/nonexistent\nkith:x:10001:10001::/tmp:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nkith:x:10001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
