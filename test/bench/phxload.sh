#!/bin/sh
# Usage: phxload.sh PHXLOAD
# The load generator against its own floor-server: each kind of traffic is delivered and counted in full, and what is
# lost, refused or not there is told by the exit status.
set -u
phxload=$1
work=$(mktemp -d)
server=
count=0
failed=0

stop_server() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$server" ] || wait "$server" 2>/dev/null
    server=
}
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

start_server() {
    "$phxload" floor-server --port 0 --conns 200 >"$work/server" &
    server=$!
    port=
    for _ in $(seq 100); do
        port=$(sed -n 's/^listening on http:\/\/127\.0\.0\.1:\([0-9]*\)$/\1/p' "$work/server")
        [ -z "$port" ] || return 0
        sleep 0.05
    done
}

# check NAME EXPECTED-RESULT EXPECTED-STATUS ARGUMENT ...
check() {
    name=$1
    result=$2
    expected=$3
    shift 3
    count=$((count + 1))
    timeout 30 "$phxload" "$@" --port "$port" --timeout 3 --json >"$work/out" 2>"$work/err"
    status=$?
    if [ "$status" -eq "$expected" ] && tail -n 1 "$work/out" | grep -q "^{.*\"result\":\"$result\"}\$"; then
        echo "ok $count - $name"
        return
    fi
    echo "not ok $count - $name"
    echo "# exit status $status"
    tail -n 12 "$work/out" "$work/err" | sed 's/^/# /'
    failed=1
}

echo "1..8"
start_server
briefly="--seconds 0.2 --warmup 0.1"
# shellcheck disable=SC2086 # a list of words
{
    check "closed loop: every subscriber has every message once" ok 0 fanout --conns 50 --depth 4 $briefly
    check "open loop: the same at a fixed rate" ok 0 fanout --conns 50 --topics 5 --rate 20 $briefly
    check "binary frames are delivered as well" ok 0 fanout --conns 20 --binary --with-reply $briefly
    check "echo: every push has its reply" ok 0 echo --conns 20 --pid "$server" $briefly
    check "echo at a rate: what is due is sent and comes back" ok 0 echo --conns 20 --rate 100 $briefly
    check "join cycles end as they should" ok 0 join --conns 10 $briefly
    check "idle clients are answered their heartbeats" ok 0 hold --conns 50 --hold 0.3 --heartbeat 0.1 --pid "$server"
    stop_server
    check "a server that is not there is a failure" "timeout while connecting\|failed joins" 1 echo --conns 2 $briefly
}
exit "$failed"
