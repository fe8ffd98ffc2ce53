#!/usr/bin/env bash
# Download MUSAN (https://www.openslr.org/17, CC BY 4.0, 11 GB), verify and extract it.
#
#   local/download_musan.sh /data     # -> /data/musan/{music,noise,speech}
#
# May be stopped at any time: the same command goes on where it was. The archive stays in DEST, delete it if you like.
set -euo pipefail

base=${MUSAN_URL:-https://www.openslr.org/resources/17}
md5=${MUSAN_MD5:-0c472d4fc0c5141eca47ad1ffeb2a7df} # as WeSpeaker checks it

fail() {
  echo "error: $*" >&2
  exit 1
}

[ $# -eq 1 ] || fail "usage: $0 DEST"
dest=$1
archive=$dest/musan.tar.gz
mkdir -p "$dest"

if [ -d "$dest/musan" ]; then
  echo "$dest/musan is there already" >&2
  exit 0
fi
if ! { [ -f "$archive" ] && echo "$md5  $archive" | md5sum --status --check -; }; then
  curl --fail --location --retry 5 -C - -o "$archive" "$base/musan.tar.gz" ||
    fail "$base/musan.tar.gz did not come whole; run the same command again to go on, or delete $archive"
  echo "$md5  $archive" | md5sum --status --check - ||
    fail "$archive has not the MD5 sum $md5; delete it and run the same command again"
fi
# beside, then rename: a corpus that is there is whole
rm -rf "$dest/.musan.tmp"
mkdir "$dest/.musan.tmp"
tar -xzf "$archive" -C "$dest/.musan.tmp"
mv "$dest/.musan.tmp/musan" "$dest/musan"
rm -rf "$dest/.musan.tmp"
echo "$dest/musan" >&2
