#!/usr/bin/env bash
# Runs a command where a Docker engine answers. Where none does, and this is root on Debian, it installs and starts one,
# and ends it with the command. Where no image registry can be reached, it builds the images from Debian's packages.
# Without an engine the command still runs, with TEST_DATABASES_NOTE saying why it had to do without. With one it runs
# with TEST_DATABASES_DOCKER=required, so that tests cannot go another way unnoticed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

images=mcp-task-store-tests
scratch=$(mktemp -d)
# What fetches packages does so as a user without rights.
chmod 711 "$scratch"
engine=
watcher=
# Installing, starting and building end by then, done or not.
deadline=$((SECONDS + 220))

say() {
  printf 'docker: %s\n' "$*"
}

# Two engines of one machine would both take the same addresses for their containers, and lose them to each other. Here each
# takes some of 100.64.0.0/10, at random.
make_network() {
  docker network create --subnet "100.$((64 + RANDOM % 64)).$((RANDOM % 256)).0/24" "$images" \
    >/dev/null 2>"$scratch/network.log" || return 1
  export TEST_DATABASES_NETWORK=$images
}

# Also when this script is killed: a process of its own waits for the end of the first, then ends the second.
watch_over() {
  setsid bash -c 'tail --pid="$1" -f /dev/null; kill "$2"; tail --pid="$2" -f /dev/null; rm -rf --one-file-system "$3"' - \
    "$$" "$engine" "$scratch" </dev/null >/dev/null 2>&1 &
  watcher=$!
}

clean_up() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "$engine" ]; then
    docker network rm "$images" >/dev/null 2>&1 || true
    kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$scratch" || true
  if [ -n "$watcher" ]; then
    kill -- "-$watcher" 2>/dev/null || true
  fi
  exit "$status"
}

# Runs a command, and ends it at the deadline.
in_time() {
  local left=$((deadline - SECONDS))
  [ "$left" -gt 0 ] && timeout --foreground "$left" "$@"
}

engine_answers() {
  timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

is_root_on_debian() {
  [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null
}

install_packages() {
  say "installing $*"
  # A source that does not answer matters only if a package is missing because of it.
  in_time apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 >"$scratch/apt.log" 2>&1 || true
  DEBIAN_FRONTEND=noninteractive in_time apt-get install -qq --no-install-recommends -o Acquire::http::Timeout=10 \
    "$@" </dev/null >>"$scratch/apt.log" 2>&1
}

start_engine() {
  if ! command -v dockerd >/dev/null; then
    install_packages docker.io || return 1
  fi
  say "starting dockerd"
  export DOCKER_HOST=unix://$scratch/docker.sock
  # In a session of its own, so that Ctrl-C ends the tests first.
  setsid dockerd --host "$DOCKER_HOST" --data-root "$scratch/data" --exec-root "$scratch/exec" --pidfile "$scratch/docker.pid" \
    >"$scratch/dockerd.log" 2>&1 &
  engine=$!
  watch_over
  local patience=$((SECONDS + 30))
  until engine_answers; do
    if [ "$SECONDS" -ge "$patience" ] || ! kill -0 "$engine" 2>/dev/null; then return 1; fi
    sleep 0.2
  done
  make_network
}

registry_answers() {
  # Without credentials its answer is 401, which is an answer.
  curl --silent --output /dev/null --max-time 5 https://registry-1.docker.io/v2/
}

build_images() {
  if ! command -v mmdebstrap >/dev/null; then
    install_packages mmdebstrap || return 1
  fi
  say "no image registry answers: building images from Debian's packages"
  # In a mount namespace, so that its mounts are gone when it is. Without force-unsafe-io, dpkg syncs file after file,
  # which takes most of the time.
  TMPDIR=$scratch in_time unshare --mount mmdebstrap --quiet --variant=minbase --include=postgresql-15,redis-server --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' bookworm - 2>"$scratch/debian.log" |
    docker import - "$images/debian" >/dev/null || return 1
  local name
  for name in postgres redis; do
    DOCKER_BUILDKIT=0 in_time docker build --quiet --tag "$images/$name" "tooling/databases/images/$name" \
      >"$scratch/build.log" 2>&1 || return 1
  done
  export TEST_POSTGRES_IMAGE=$images/postgres TEST_REDIS_IMAGE=$images/redis
  # The container that would remove ours after a crash comes from the registry as well.
  export TESTCONTAINERS_RYUK_DISABLED=true
}

prepare() {
  if engine_answers; then
    say "an engine answers"
  elif ! is_root_on_debian; then
    note="no Docker engine answers, and only root on Debian can install one"
    return
  elif ! start_engine; then
    note="a Docker engine could not be started: $(last_words)"
    return
  fi
  if registry_answers; then
    say "images come from the registry"
  elif ! is_root_on_debian; then
    note="no image registry answers, and only root on Debian can build images"
  elif ! build_images; then
    note="no image registry answers, and images could not be built: $(last_words)"
  fi
}

# The end of what was written last.
last_words() {
  tail -n 1 "$(ls -t "$scratch"/*.log | head -n 1)"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
note=
prepare
if [ -n "$note" ]; then
  export TEST_DATABASES_DOCKER=off
  export TEST_DATABASES_NOTE="The tests did WITHOUT Docker, so containers are not tested: $note."
  say "$TEST_DATABASES_NOTE"
else
  export TEST_DATABASES_DOCKER=required
fi
say "ready after $SECONDS s"
"$@"
