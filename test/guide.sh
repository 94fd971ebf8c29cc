#!/bin/sh
# Usage: guide.sh BUILD CC GUIDE
# Runs what a guide says, against an installed library: a block ```LANGUAGE FILE is added to that file, then the blocks
# ```sh run in their order. What a block ```text shows must be printed by the one before, which may fail; others may not.
# A block ```sh & is one line, which starts a server; the one before ends. Its ports are free ones, wherever a guide says
# 4000 and 4001.
set -u
build=$1
cc=$2
guide=$(realpath "$3")
work=$(mktemp -d)
server=
port=4000
https_port=4001

stop_server() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$server" ] || wait "$server" 2>/dev/null
    server=
}
# One that has replaced itself is no child of ours.
# shellcheck disable=SC2317 # called by the trap
stop_successors() {
    for file in "$work"/files/*.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        [ "$(readlink "/proc/$pid/cwd")" != "$work/files" ] || kill "$pid"
    done
}
trap 'stop_server; stop_successors; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

# Blocks of commands become steps/1.sh, 2.sh ...; the text behind one becomes its .text. Any other block has no place.
split() {
    awk -v steps="$work/steps" -v files="$work/files" '
        /^```/ && open { open = 0; close(to); next }
        /^```/ {
            open = 1
            line = $0
            sub(/^```/, "", line)
            n = split(line, word, " ")
            if (line == "sh &")
                to = steps "/" ++count ".server"
            else if (n == 2) {
                to = files "/" word[2]
                folder = to
                sub(/\/[^\/]*$/, "", folder)
                system("mkdir -p '"'"'" folder "'"'"'")
            } else if (line == "sh")
                to = steps "/" ++count ".sh"
            else if (line == "text" && count > 0)
                to = steps "/" count ".text"
            else {
                print "a block that is nobody'"'"'s: ```" line
                exit 1
            }
            next
        }
        open { print >>to }
        END { if (count == 0) { print "no commands"; exit 1 } }' "$guide"
}

# The port behind "listening on http://127.0.0.1:" in what the server has said.
said_port() { # $1: http or https
    sed -n "s|.*listening on $1://127\\.0\\.0\\.1:\\([0-9]*\\).*|\\1|p" "$work/said" | tail -n 1
}

start_server() { # $1: the script
    stop_server
    sed 's/HTTPS_PORT=4001/HTTPS_PORT=0/; s/^/exec env PORT=0 /' "$1" >"$1.here"
    : >"$work/said"
    (cd "$work/files" && exec sh "$1.here") >"$work/said" 2>&1 &
    server=$!
    for _ in $(seq 600); do
        port=$(said_port http)
        https_port=$(said_port https)
        if [ -n "$port" ] && { [ -n "$https_port" ] || ! grep -q HTTPS_PORT "$1"; }; then break; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    [ -n "$port" ]
    report $? "$(head -n 1 "$1")" "$(cat "$work/said")"
}

run_step() { # $1: the script; with a .text beside it its lines must be printed
    sed "s/:4000/:$port/g; s/:4001/:${https_port:-none}/g" "$1" >"$1.here"
    text=$(cd "$work/files" && sh -e "$1.here" 2>&1)
    status=$?
    expected=${1%.sh}.text
    if [ -f "$expected" ]; then
        status=0
        while read -r line; do
            case $text in
            *"$line"*) ;;
            *)
                status=1
                text="$text
not printed: $line"
                ;;
            esac
        done <"$expected"
    fi
    report $status "$(head -n 1 "$1")" "$text"
}

mkdir "$work/steps" "$work/files"
# what a guide has its reader install by npm
tree=$(realpath "$(dirname "$0")/..")
[ ! -d "$tree/node_modules" ] || ln -s "$tree/node_modules" "$work/files/node_modules"
text=$(cmake --install "$build" --prefix "$work/prefix" 2>&1)
report $? "the library installs" "$text"
text=$(split)
report $? "all blocks of $(basename "$guide") have their place" "$text"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name anqa.pc)")
LD_LIBRARY_PATH=$(dirname "$(find "$work/prefix" -name libanqa.so)")
export CMAKE_PREFIX_PATH="$work/prefix" CC="$cc" PKG_CONFIG_PATH LD_LIBRARY_PATH
for step in $(find "$work/steps" -name '*.sh' -o -name '*.server' | sort -V); do
    case $step in
    *.server) start_server "$step" ;;
    *) run_step "$step" ;;
    esac
done
done_testing
exit $failed
