#!/usr/bin/env bash
# Installs Redis and iproute2 for the tests of failovers, whose servers are processes in networks of their own. Without
# Redis, those tests are skipped and say so. Without iproute2, a proxy parts the network.
set -uo pipefail
install="$(dirname "${BASH_SOURCE[0]}")/install.sh"
"$install" redis-server "$(command -v redis-server || echo /usr/bin/redis-server)" redis-server
"$install" iproute2 "$(command -v ip || echo /usr/sbin/ip)" iproute2
