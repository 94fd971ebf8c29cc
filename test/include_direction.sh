#!/bin/sh
# Usage: include_direction.sh [ROOT]
# An area includes only areas before it in the list below. All may use base, and of telemetry the event points and the
# logger. Public headers follow the same order. With no argument the check is first tried on trees that break the rule.
set -u

areas="base runtime otp pubsub http channel presence live js data durable jobs stage cluster telemetry control cli test"
# What all may include: the event points, the logger, and how its lines are written.
free="telemetry/log.h telemetry/log_fields.h telemetry/telemetry.h"

# The area of a public header, as "header=area", where it is not named like its area.
public="arena=base buf=base json=base config=base value=base log=free telemetry=free
    process=runtime memory=runtime fault=runtime net=runtime introspect=runtime
    metrics=telemetry
    js_debug=js conn=http websocket=http router=http plugs=http compress=http html=http endpoint=channel raw_socket=channel
    tls=http token=http cookie=http session=http params=http csrf=http
    supervisor=otp gen_server=otp gen_statem=otp task=otp agent=otp registry=otp application=otp anqa=otp
    backoff=otp partition_supervisor=otp requests=otp table=otp pg=otp retry=otp control=otp js_pool=js"

check() { # $1: root; prints each violation, and "checked N includes"
    (
        cd "$1" || exit 1
        find src include -name '*.[chS]' -type f 2>/dev/null | sort | while read -r file; do
            sed -n 's|^[ \t]*#[ \t]*include[ \t]*[<"]\([^">]*\)[">].*|'"$file"' \1|p' "$file"
        done
    ) | awk -v areas="$areas" -v free="$free" -v public="$public" '
        function area_of_public(name) {
            sub(/\.h$/, "", name)
            if (name in home)
                return home[name]
            return name in rank ? name : ""
        }
        BEGIN {
            n = split(areas, list, " ")
            for (i = 1; i <= n; i++)
                rank[list[i]] = i
            n = split(free, list, " ")
            for (i = 1; i <= n; i++)
                is_free[list[i]] = 1
            n = split(public, list, /[ \n]+/)
            for (i = 1; i <= n; i++)
                if (split(list[i], pair, "=") == 2)
                    home[pair[1]] = pair[2]
        }
        {
            count++
            split($1, from, "/")
            split($2, to, "/")
            user = from[1] == "src" ? from[2] : area_of_public(from[3])
            used = to[1] == "anqa" ? area_of_public(to[2]) : to[1]
            if ($1 == "include/anqa/anqa.h" || $2 in is_free || used == "free")
                next
            if (user == "free")
                user = "base"
            if (user == "" || !(user in rank)) {
                print $1 ": its area is not known to test/include_direction.sh"
            } else if (to[1] == "anqa" && used == "") {
                print $1 ": the area of " $2 " is not known to test/include_direction.sh"
            } else if (used in rank && rank[used] > rank[user]) {
                print $1 " (" user ") includes " $2 " (" used ")"
            }
        }
        END { print "checked " count + 0 " includes" }'
}

number=0
failed=0
report() { # $1: name, $2: what was found, $3: what it must be
    number=$((number + 1))
    # shellcheck disable=SC2254 # $3 is a pattern
    case $2 in
    $3) echo "ok $number - $1" ;;
    *)
        failed=1
        echo "not ok $number - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        ;;
    esac
}

self_test() {
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree/src/base" "$tree/src/runtime" "$tree/src/otp" "$tree/include/anqa"
    printf '#include "base/list.h"\n#include "telemetry/log.h"\n#include <anqa/buf.h>\n' >"$tree/src/runtime/a.c"
    report "what is allowed is let through" "$(check "$tree")" "checked 3 includes"
    printf '#include "otp/server.h"\n' >"$tree/src/runtime/b.c"
    report "a later area is found" "$(check "$tree")" "*b.c (runtime) includes otp/server.h (otp)*"
    printf '#include <anqa/supervisor.h>\n' >"$tree/src/runtime/b.c"
    report "a later area is found by its public header" "$(check "$tree")" "*includes anqa/supervisor.h (otp)*"
    printf '#include <anqa/task.h>\n' >"$tree/src/runtime/b.c"
    printf '#include <anqa/task.h>\n' >"$tree/include/anqa/arena.h"
    report "public headers are checked" "$(check "$tree")" "*arena.h (base) includes anqa/task.h (otp)*"
}

if [ $# -eq 1 ]; then
    check "$1"
    exit 0
fi
echo "1..5"
self_test
found=$(check "$(dirname "$0")/..")
report "the tree's includes point one way" "$found" "checked [1-9]* includes"
exit $failed
