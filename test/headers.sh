#!/bin/sh
# Usage: headers.sh CC
# Every public header compiles alone, as C and as C++20, and anqa.h includes all but test.h, which is for another library.
set -u
cd "$(dirname "$0")/.." || exit 1
cc=$1
warnings="-Wall -Wextra -Wundef -Wshadow -Werror"

# shellcheck source=test/tap.sh
. test/tap.sh

for header in include/anqa/*.h; do
    name=$(basename "$header")
    # shellcheck disable=SC2086 # a list of words
    text=$(printf '#include <anqa/%s>\n' "$name" |
        "$cc" -std=gnu17 $warnings -Wstrict-prototypes -Iinclude -fsyntax-only -x c - 2>&1)
    report $? "$name alone, as C" "$text"
    # shellcheck disable=SC2086
    text=$(printf '#include <anqa/%s>\n' "$name" |
        g++ -std=c++20 $warnings -Iinclude -fsyntax-only -x c++ - 2>&1)
    report $? "$name alone, as C++20" "$text"
    if [ "$name" != anqa.h ] && [ "$name" != test.h ]; then
        text=$("$cc" -std=gnu17 -Iinclude -M include/anqa/anqa.h 2>&1)
        case $text in
        *include/anqa/"$name"*) report 0 "anqa.h includes $name" "" ;;
        *) report 1 "anqa.h includes $name" "$text" ;;
        esac
    fi
done
done_testing
exit $failed
