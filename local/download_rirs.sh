#!/usr/bin/env bash
# Download RIRS_NOISES (https://www.openslr.org/28, Apache 2.0, 1.3 GB), verify and extract it.
#
#   local/download_rirs.sh /data     # -> /data/RIRS_NOISES/{simulated_rirs,real_rirs_isotropic_noises,pointsource_noises}
#
# May be stopped at any time: the same command goes on where it was. The archive stays in DEST, delete it if you like.
set -euo pipefail

base=${RIRS_URL:-https://www.openslr.org/resources/28}
md5=${RIRS_MD5:-e6f48e257286e05de56413b4779d8ffb} # as WeSpeaker checks it

fail() {
  echo "error: $*" >&2
  exit 1
}

[ $# -eq 1 ] || fail "usage: $0 DEST"
dest=$1
archive=$dest/rirs_noises.zip
mkdir -p "$dest"

if [ -d "$dest/RIRS_NOISES" ]; then
  echo "$dest/RIRS_NOISES is there already" >&2
  exit 0
fi
if ! { [ -f "$archive" ] && echo "$md5  $archive" | md5sum --status --check -; }; then
  curl --fail --location --retry 5 -C - -o "$archive" "$base/rirs_noises.zip" ||
    fail "$base/rirs_noises.zip did not come whole; run the same command again to go on, or delete $archive"
  echo "$md5  $archive" | md5sum --status --check - ||
    fail "$archive has not the MD5 sum $md5; delete it and run the same command again"
fi
# beside, then rename: a corpus that is there is whole
rm -rf "$dest/.rirs.tmp"
mkdir "$dest/.rirs.tmp"
python3 -m zipfile -e "$archive" "$dest/.rirs.tmp"
mv "$dest/.rirs.tmp/RIRS_NOISES" "$dest/RIRS_NOISES"
rm -rf "$dest/.rirs.tmp"
echo "$dest/RIRS_NOISES" >&2
