#!/usr/bin/env bash
# Build the real Dockerfile and run what it makes, on a Debian machine with root and no Docker engine.
#
#   deploy/verify-image.sh [WORKDIR]      needs: apt-get install buildah podman runc debootstrap fuse-overlayfs netavark
#
# Where no registry answers, a base image is made with debootstrap (two minutes, once a WORKDIR) under the name the
# Dockerfile asks for. Every line that begins with "ok" is a promise of the image that was seen to hold.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-$(mktemp -d)}
base=docker.io/library/python:3.13-slim-trixie
tag=localhost/opsbot:verify
ca=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$work"
store=(--root "$work/store" --runroot "$work/run" --storage-driver overlay)

# Without systemd both programs complain of cgroups and CNI at every call; the rest of what they say is kept.
quietly() { "$@" 2> >(grep -viE 'cni|systemd|cgroup' >&2); }
B() { quietly buildah "${store[@]}" "$@"; }
P() { quietly podman "${store[@]}" --runtime runc --cgroup-manager cgroupfs "$@"; }
ok() { echo "ok   $*"; }
fail() { echo "FAIL $*" >&2; P logs opsbot-verify >&2 2>/dev/null || true; exit 1; }

make_base() {
  [ -x "$work/rootfs/usr/bin/tini" ] || debootstrap --variant=minbase \
    --include=python3,python3-venv,python3-pip,ca-certificates,tini,tzdata trixie "$work/rootfs" >"$work/debootstrap.log"
  ln -sf python3 "$work/rootfs/usr/bin/python"
  local made; made=$(B from scratch)
  B add -q "$made" "$work/rootfs" / >/dev/null
  B config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$made"
  B commit -q --rm "$made" "$base" >/dev/null
}

B inspect --type image "$base" >/dev/null 2>&1 || B pull -q "$base" >/dev/null 2>&1 || make_base
# The network of the build is the machine's, and so are the authorities it trusts: mounted, never copied.
B build -q --isolation=chroot --network=host --pull=never --layers --format docker -v "$ca:$ca:ro" \
  --build-arg "VERSION=$(sed -n 's/__version__ = "\(.*\)"/\1/p' opsbot/__init__.py)" -t "$tag" . >/dev/null
ok "built: $(P images --format "{{.Size}}" "$tag")"

strict=(--network host --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --read-only --tmpfs /tmp:mode=1777,size=64m
        --cap-drop ALL --security-opt no-new-privileges --memory 256m --pids-limit 64)
P rm -f -t 1 opsbot-verify >/dev/null 2>&1 || true
P volume rm -f opsbot-verify >/dev/null 2>&1 || true
trap 'P rm -f -t 1 opsbot-verify >/dev/null 2>&1 || true' EXIT

P run --rm --no-healthcheck "${strict[@]}" "$tag" --help | grep -q "never sleeps" || fail "--help"
ok "--help"
P run --rm --no-healthcheck "${strict[@]}" --entrypoint python "$tag" -c 'import ssl, sys
assert sys.version_info >= (3, 13), sys.version
assert ssl.OPENSSL_VERSION_INFO >= (3, 5), ssl.OPENSSL_VERSION
print("ok   Python", sys.version.split()[0], "with", ssl.OPENSSL_VERSION)' || fail "Python or OpenSSL is too old"
for locale in C C.UTF-8; do
  P run --rm --no-healthcheck "${strict[@]}" --env LC_ALL=$locale --env HOME=/nowhere --user 4711:4711 --tmpfs /var/lib/opsbot:mode=1777 \
    "$tag" jobs | grep -q daily_health || fail "LC_ALL=$locale, a user without a home"
done
ok "any user, no home folder, LC_ALL=C"

P run -d --name opsbot-verify --healthcheck-interval disable "${strict[@]}" -v opsbot-verify:/var/lib/opsbot "$tag" >/dev/null
for _ in $(seq 50); do P healthcheck run opsbot-verify >/dev/null 2>&1 && break; sleep 0.2; done
P healthcheck run opsbot-verify >/dev/null || fail "HEALTHCHECK"
ok "HEALTHCHECK"
P exec opsbot-verify sh -c 'test "$(id -u)" = 10001' || fail "runs as root"
P exec opsbot-verify sh -c 'touch /etc/x /opt/opsbot/x 2>/dev/null' && fail "the root can be written"
P exec opsbot-verify sh -c 'grep -q "CapEff:.*0000000000000000" /proc/1/status' || fail "has capabilities"
P exec opsbot-verify sh -c 'test -n "$(find /opt/opsbot -name "*.pyc" -path "*opsbot/daemon*")"' || fail "bytecode is not compiled"
P exec opsbot-verify sh -c 'ls /var/lib/opsbot/matplotlib/fontlist*' >/dev/null || fail "the font cache was not built"
ok "user 10001, read-only root, no capabilities, bytecode compiled, font cache built"
started=$(date +%s%N)
P stop -t 20 opsbot-verify >/dev/null
took=$(( ($(date +%s%N) - started) / 1000000 ))
code=$(P inspect opsbot-verify --format '{{.State.ExitCode}}')
[ "$code" = 0 ] || fail "SIGTERM: exit code $code"
ok "SIGTERM: exit 0 in $took ms"
P logs opsbot-verify 2>&1 | head -1 | python3 -c 'import json,sys; json.loads(sys.stdin.readline())' || fail "the log is not JSON"
ok "the log is JSON, a line each"
