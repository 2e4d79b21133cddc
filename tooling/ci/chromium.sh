#!/usr/bin/env bash
# Installs Chromium for the tests of the dashboard, which fail without a browser, and say what is missing.
exec "$(dirname "${BASH_SOURCE[0]}")/install.sh" chromium \
  "${TEST_CHROMIUM:-/usr/bin/chromium} /usr/bin/chromium-browser /usr/bin/google-chrome" "chromium fonts-dejavu-core"
