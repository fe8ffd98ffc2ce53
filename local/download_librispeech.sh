#!/usr/bin/env bash
# Download parts of LibriSpeech (https://www.openslr.org/12, CC BY 4.0), verify and extract them.
#
#   local/download_librispeech.sh /data train-clean-100 test-clean     # -> /data/LibriSpeech/{train-clean-100,test-clean}
#
# May be stopped at any time: the same command goes on where it was. The archives stay in DEST, delete them if you like.
set -euo pipefail

base=${LIBRISPEECH_URL:-https://www.openslr.org/resources/12}

md5_of() {
  case $1 in
    train-clean-100) echo 2a93770f6d5c6c964bc36631d331a522 ;;
    train-clean-360) echo c0e676e450a7ff2f54aeade5171606fa ;;
    train-other-500) echo d1a0fd59409feb2c614ce4d30c387708 ;;
    dev-clean) echo 42e2234ba48799c1f50f24a7926300a1 ;;
    dev-other) echo c8d0bcc9cca99d4f8b62fcc847357931 ;;
    test-clean) echo 32fa31d27d2e1cad72775fee3f4849a9 ;;
    test-other) echo fb5a50374b501bb3bac4815ee91d3135 ;;
    *) return 1 ;;
  esac
}

fail() {
  echo "error: $*" >&2
  exit 1
}

matches() { # FILE MD5
  echo "$2  $1" | md5sum --status --check -
}

[ $# -ge 2 ] || fail "usage: $0 DEST PART [PART ...], with parts train-clean-100 train-clean-360 train-other-500" \
  "dev-clean dev-other test-clean test-other"
dest=$1
shift
for part in "$@"; do
  md5_of "$part" >/dev/null || fail "$part is no part of LibriSpeech; run $0 alone to see their names"
done
mkdir -p "$dest/LibriSpeech"

for part in "$@"; do
  if [ -d "$dest/LibriSpeech/$part" ]; then
    echo "$dest/LibriSpeech/$part is there already" >&2
    continue
  fi
  archive=$dest/$part.tar.gz
  md5=$(md5_of "$part")
  if ! { [ -f "$archive" ] && matches "$archive" "$md5"; }; then
    curl --fail --location --retry 5 -C - -o "$archive" "$base/$part.tar.gz" ||
      fail "$base/$part.tar.gz did not come whole; run the same command again to go on, or delete $archive"
    matches "$archive" "$md5" || fail "$archive has not the MD5 sum $md5; delete it and run the same command again"
  fi
  # beside, then rename: a part that is there is whole
  rm -rf "$dest/.$part.tmp"
  mkdir "$dest/.$part.tmp"
  tar -xzf "$archive" -C "$dest/.$part.tmp"
  for file in "$dest/.$part.tmp/LibriSpeech"/*.TXT; do
    [ -f "$file" ] && mv -f "$file" "$dest/LibriSpeech/"
  done
  mv "$dest/.$part.tmp/LibriSpeech/$part" "$dest/LibriSpeech/$part"
  rm -rf "$dest/.$part.tmp"
  echo "$dest/LibriSpeech/$part" >&2
done
