#!/bin/sh
# Gives up root, then becomes the command.
set -eu

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown redis:redis .
  exec setpriv --reuid redis --regid redis --init-groups "$0" "$@"
fi

exec "$@"
