#!/usr/bin/env bash
# Installs PgBouncer for the tests of PostgreSQL stores behind a pooler, which are skipped without it, and say so.
exec "$(dirname "${BASH_SOURCE[0]}")/install.sh" pgbouncer \
  "$(command -v pgbouncer || echo /usr/sbin/pgbouncer)" pgbouncer
