#!/usr/bin/env bash
# Installs Debian's Chromium for the tests of the dashboard, where there is no browser and this is root on Debian. Where
# that does not work, it only says so: the tests that need a browser then fail, and say what is missing.
set -uo pipefail

say() {
  printf 'chromium: %s\n' "$*"
}

for browser in "${TEST_CHROMIUM:-/usr/bin/chromium}" /usr/bin/chromium-browser /usr/bin/google-chrome; do
  if [ -x "$browser" ]; then
    say "$browser"
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
if ! DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -qq --no-install-recommends \
  -o Acquire::http::Timeout=10 chromium fonts-dejavu-core </dev/null >>"$log" 2>&1; then
  tail -n 5 "$log"
  say "could not be installed"
fi
rm -f "$log"
