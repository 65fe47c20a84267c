#!/bin/bash
# Installs what is missing, builds, and shows the main job on real parts in a folder of its own: an instance starts, answers
# a prompt, gets a changed setting, and a local edit of its settings arrives at the server.
#   scripts/demo.sh [--keep]
# --keep leaves it running until Ctrl-C, on the usual ports where they are free. Without it everything is stopped again;
# the exit code is 0 only if every step was seen to work.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

keep=
case "${1-}" in
'') ;;
--keep) keep=1 ;;
--help | -h)
  sed -n '2,6s/^# //p' "$0"
  exit 0
  ;;
*)
  echo "demo.sh: $1: unknown option (see --help)" >&2
  exit 2
  ;;
esac

instance=zi_demo
bin=$zed_root/build/bin
dir=$(mktemp -d "${TMPDIR:-/tmp}/zedbus-demo.XXXXXX")
pids=()

# ---- what is told

step() { printf '\n== %s\n' "$*"; }
seen() { printf '   ok: %s\n' "$*"; }

fail() {
  printf '\ndemo.sh: FAILED: %s\n' "$*" >&2
  for log in "$dir"/*.log; do
    [ -s "$log" ] && printf -- '-- end of %s\n' "$log" >&2 && tail -n 15 "$log" >&2
  done
  exit 1
}

# ---- processes

# run NAME PROGRAM...: in the background, its output in the demo's folder.
run() {
  local name=$1
  shift
  "$@" >"$dir/$name.log" 2>&1 &
  pids=("$!" "${pids[@]}")
}

# Last started, first stopped: the broker outlives those who need it.
stop_all() {
  local pid
  for pid in "${pids[@]}"; do
    kill -TERM "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  pids=()
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  stop_all
  rm -rf "$dir"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# port USUAL: a free port on loopback; with --keep the usual one if it is free.
port() {
  /usr/bin/python3 - "$1" "${keep:-0}" <<'EOF'
import socket, sys
def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return s.getsockname()[1]
print((sys.argv[2] == "1" and free(int(sys.argv[1]))) or free(0))
EOF
}

# until_true SECONDS WHAT COMMAND...: run it again and again until it succeeds.
until_true() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain: $what"
    sleep 0.05
  done
}

zedctl() { "$bin/zedctl" --nats "$nats_url" --server "$session_url" "$@"; }

# control LINE: what a person at the machine would do to this Zed.
control() {
  /usr/bin/python3 - "$home/control" "$1" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline(), end="")
EOF
}

# ---- the demo

step "packages and build"
"$zed_root/scripts/install-deps.sh"
zed_build release build
seen "built in $zed_root/build"

nats_port=$(port 4222)
nats_url=nats://127.0.0.1:$nats_port
lifecycle_url=http://127.0.0.1:$(port 8090)
runner_url=http://127.0.0.1:$(port 8091)
session_url=http://127.0.0.1:$(port 8080)

step "nats-server, lifecycled, zed-runner, sessiond"
mkdir -p "$dir/profiles" "$dir/work"
chmod 700 "$dir" "$dir/profiles"
cat >"$dir/profiles/sim.json" <<EOF
{
  "command": ["$bin/zed-sim", "--answer", "story", "--rate", "300", "--control", "{home}/control"],
  "companions": [{
    "name": "settings",
    "command": ["$bin/settings-sync-daemon"],
    "ready_http": "http://127.0.0.1:{port}/health"
  }],
  "ready": {"kind": "agent", "arg": ""}
}
EOF
chmod 600 "$dir/profiles/sim.json"
# The daemons first: each waits for the broker and says so.
run lifecycled "$bin/lifecycled" --nats "$nats_url" --listen "${lifecycle_url#http://}"
run sessiond "$bin/sessiond" --nats "$nats_url" --listen "${session_url#http://}"
run zed-runner "$bin/zed-runner" --nats "$nats_url" --listen "${runner_url#http://}" --id demo \
  --state-dir "$dir/state" --profiles "$dir/profiles" --workspace-root "$dir/work" --on-term drain \
  --session-url "$session_url"
until_true 20 "lifecycled answers" curl -sf "$lifecycle_url/healthz"
curl -s "$lifecycle_url/readyz" | sed 's/^/   lifecycled, before the broker is there: /'
echo
run nats-server "$(PATH=$PATH:/usr/sbin command -v nats-server)" -js -a 127.0.0.1 -p "$nats_port" -sd "$dir/nats"
# It must be stopped last, so it goes to the end of the list.
pids=("${pids[@]:1}" "${pids[0]}")
for url in "$lifecycle_url" "$session_url" "$runner_url"; do
  until_true 30 "$url/readyz" curl -sf "$url/readyz"
done
until_true 30 "the runner is known" sh -c "'$bin/zedctl' --nats '$nats_url' runners | grep -q demo"
seen "all ready"

step "an instance of profile sim"
session=$(zedctl session new --name "The demo")
zedctl start "$instance" --profile sim --session "$session" --wait || fail "the instance does not run"
zedctl events "$instance"
home=$(zedctl get "$instance" -o json | /usr/bin/python3 -c '
import json, sys
pid = json.load(sys.stdin)["pid"]
env = open(f"/proc/{pid}/environ").read().split("\0")
print(next(e[5:] for e in env if e.startswith("HOME=")))')
settings=$home/.config/zed/settings.json
[ -s "$settings" ] || fail "no settings.json at $settings"
seen "RUNNING; its settings are in $settings"

step "a chat message"
answer=$dir/answer.txt
zedctl chat "$session" "Which ship comes last?" | tee "$answer"
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "the prompt was not answered"
grep -q "Which ship comes last?" "$answer" || fail "the answer is not the one expected"
curl -s "$session_url/api/v1/sessions/$session/interactions" | grep -q '"state":"complete"' ||
  fail "the interaction is not stored as complete"
seen "answered, and stored"

step "a Helix setting changes"
zedctl settings set "$session" /buffer_font_size 17 --base
until_true 10 "buffer_font_size 17 in $settings" grep -Eq '"buffer_font_size": *17' "$settings"
sed 's/^/   /' "$settings"
reloaded() { control stats | /usr/bin/python3 -c '
import json, sys
sys.exit(json.load(sys.stdin)["settings"]["value"].get("buffer_font_size") != 17)'; }
until_true 10 "Zed has reloaded it" reloaded
seen "it is in settings.json, and Zed has it"

step "settings.json is edited in Zed"
edited=$(/usr/bin/python3 - "$settings" <<'EOF'
import json, sys
document = json.load(open(sys.argv[1]))
document["vim_mode"] = True
print(json.dumps(document))
EOF
)
control "save $edited" | grep -q '"ok":true' || fail "the simulated Zed could not save"
overridden() { [ "$(zedctl settings get "$session" /vim_mode -o json)" = true ]; }
until_true 10 "the override is at the server" overridden
zedctl settings merged "$session" | sed 's/^/   /'
zedctl settings diff "$session" | sed 's/^/   /'
zedctl settings history "$session" | sed 's/^/   /'
[ "$(zedctl settings merged "$session" /vim_mode -o json)" = true ] || fail "the merged view lacks the override"
[ "$(zedctl settings merged "$session" /buffer_font_size -o json)" = 17 ] || fail "the merged view lacks the base"
seen "the override is at the server, and the merged view shows both"

step "where it is"
cat <<EOF
   sessiond    $session_url
   lifecycled  $lifecycle_url
   zed-runner  $runner_url
   broker      $nats_url
   session     $session
   zedctl      $bin/zedctl --nats $nats_url --server $session_url
EOF

if [ -n "$keep" ]; then
  echo
  echo "Running until Ctrl-C, in $dir"
  trap 'echo; exit 0' INT
  wait "${pids[@]}"
  fail "something ended by itself"
fi

step "the end"
pid=$(zedctl get "$instance" -o json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
zedctl stop "$instance" --wait || fail "the instance does not stop"
[ ! -e "/proc/$pid" ] || fail "process $pid of the instance is still there"
stop_all
# The brackets keep the search from finding its own command line.
left=$(grep -las "${dir%?}[${dir: -1}]/" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true)
[ -z "$left" ] || fail "left over: $left"
seen "everything has stopped"
printf '\ndemo.sh: every step worked\n'
