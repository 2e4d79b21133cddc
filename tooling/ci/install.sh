#!/usr/bin/env bash
# install.sh NAME "PROGRAMS" "PACKAGES": installs Debian's packages where none of the programs exists and this is root on
# Debian. Where that does not work, it only says so, and so do the tests that need the program.
set -uo pipefail

name=$1 programs=$2 packages=$3

say() {
  printf '%s: %s\n' "$name" "$*"
}

for program in $programs; do
  if [ -x "$program" ]; then
    say "$program"
    exit 0
  fi
done
if [ "$(id -u)" != 0 ] || [ ! -f /etc/debian_version ] || ! command -v apt-get >/dev/null; then
  say "there is none, and only root on Debian can install it here"
  exit 0
fi
say "installing Debian's package"
log=$(mktemp)
# A source that does not answer matters only if a package is missing because of it.
timeout 120 apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 >"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -qq --no-install-recommends \
  -o Acquire::http::Timeout=10 $packages </dev/null >>"$log" 2>&1; then
  tail -n 5 "$log"
  say "could not be installed"
fi
rm -f "$log"
