#!/bin/sh
# Usage: js_engine.sh ROOT WASM CC OBJCOPY OUT
# Makes OUT/engine.o, the JavaScript engine as native code (see src/js/engine/engine.c), unless it is there already for
# the same inputs. Build trees share it: whoever comes first makes it, others wait.
set -eu
root=$1 wasm=$2 cc=$3 objcopy=$4 out=$5
guard=16777216 # WINDOW_GUARD in src/js/window.h: more than any constant offset

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
key=$({
    cat "$wasm" "$root/src/js/engine/engine.c" "$root/src/js/engine/engine.h" "$0"
    "$cc" --version
    wasm2c --version
} | sha256sum)
if [ -f "$out/engine.o" ] && [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then
    for input in "$wasm" "$root/src/js/engine/engine.c" "$root/src/js/engine/engine.h" "$0"; do
        if [ "$input" -nt "$out/engine.o" ]; then touch "$out/engine.o"; fi # or ninja asks for ever
    done
    exit 0
fi
wasm2c -n quickjs -o "$out/quickjs.c" "$wasm"
# The instance of a call through the table is the caller's.
sed -i 's/instance->w2c___indirect_function_table\.data\[[a-z0-9_]*\]\.module_instance/instance/' "$out/quickjs.c"
if grep -q 'data\[.*\]\.module_instance, ' "$out/quickjs.c"; then
    echo "js_engine.sh: a call through the table was not rewritten: has wasm2c changed?" >&2
    exit 1
fi
largest=$(grep -oE '\(u64\)\([^)]*\) \+ [0-9]+u' "$out/quickjs.c" | grep -oE '[0-9]+u$' | tr -d u | sort -n | tail -n 1)
if [ -z "$largest" ] || [ "$largest" -gt $((guard - 65536)) ]; then
    echo "js_engine.sh: the largest constant offset is '$largest', the guard has $guard bytes" >&2
    exit 1
fi
# One text section: no cold parts elsewhere. No vector registers beyond those that preemption saves.
"$cc" -std=gnu17 -O2 -fPIC -fvisibility=hidden -fno-strict-aliasing -fwrapv -ffp-contract=off -fno-math-errno \
    -fno-reorder-functions -fno-reorder-blocks-and-partition -fstack-clash-protection -fno-stack-protector \
    -fasynchronous-unwind-tables -fcf-protection=none -U_FORTIFY_SOURCE -w -DNDEBUG -DWASM_RT_MEMCHECK_SIGNAL_HANDLER=1 \
    -I"$out" -I"$root/src" -c "$root/src/js/engine/engine.c" -o "$out/engine.tmp.o"
"$objcopy" --rename-section .text=anqa_js_text,contents,alloc,load,readonly,code "$out/engine.tmp.o"
mv "$out/engine.tmp.o" "$out/engine.o"
rm -f "$out/quickjs.c" "$out/quickjs.h"
printf '%s\n' "$key" >"$out/key"
