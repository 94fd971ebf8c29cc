#!/bin/sh
# Usage: run.sh BUILD CC GUIDE [LIBRARY ...]
# A guide may not rot: each of its whole programs (a block of C with a main) is built as a user would build it, run, and
# must print what the text block behind it says.
set -u
build=$1
cc=$2
guide=$3
shift 3
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# N.c for each program, N.text for what it prints, N.name for the heading that it stands under.
awk -v work="$work" '
    /^## / && !code { heading = substr($0, 4) }
    /^```$/ {
        if (code && is_program) {
            n++
            printf "%s", text >(work "/" n ".c")
            print heading >(work "/" n ".name")
        }
        code = 0
        next
    }
    /^```c$/ { code = 1; is_program = 0; text = ""; next }
    /^```text$/ { code = 2; is_program = 0; next }
    code == 1 { text = text $0 "\n" }
    code == 1 && /^int main\(/ { is_program = 1 }
    code == 2 { print >(work "/" n ".text") }
' "$guide"

libraries=
for library; do libraries="$libraries $build/lib$library.a"; done

count=0
while [ -f "$work/$((count + 1)).c" ]; do count=$((count + 1)); done
[ "$count" -gt 0 ] || echo "# there is no program in $guide"
echo "1..$count"
failed=$((count == 0))
n=0
while [ $n -lt $count ]; do
    n=$((n + 1))
    name=$(cat "$work/$n.name")
    # shellcheck disable=SC2086 # lists of words
    if "$cc" -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter -fstack-clash-protection -fno-omit-frame-pointer \
        -pthread -rdynamic "-I$source/include" "$work/$n.c" $libraries "-L$build" -lanqa "-Wl,-rpath,$build" -o "$work/app" >"$work/log" 2>&1 &&
        timeout 60 "$work/app" >"$work/out" 2>"$work/log" && diff "$work/$n.text" "$work/out" >>"$work/log"; then
        echo "ok $n - $name"
    else
        failed=1
        echo "not ok $n - $name"
        sed 's/^/# /' "$work/log"
    fi
done
exit $failed
