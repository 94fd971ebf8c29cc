#!/bin/sh
# Usage: guide.sh BUILD CC GUIDE
# Runs what a guide says, against an installed library: a block ```LANGUAGE FILE is added to that file, then the blocks
# ```sh run in their order. What a block ```text shows must be printed by the one before, which may fail; others may not.
set -u
build=$1
cc=$2
guide=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number=0
failed=0
report() { # $1: status, $2: name, $3: what was printed
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
        return
    fi
    failed=1
    echo "not ok $number - $2"
    printf '%s\n' "$3" | sed 's/^/# /'
}

# Blocks of commands become steps/1.sh, 2.sh ...; the text behind one becomes its .text. Any other block has no place.
split() {
    awk -v steps="$work/steps" -v files="$work/files" '
        /^```/ && open { open = 0; close(to); next }
        /^```/ {
            open = 1
            line = $0
            sub(/^```/, "", line)
            n = split(line, word, " ")
            if (n == 2)
                to = files "/" word[2]
            else if (line == "sh")
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

run_step() { # $1: the script; with a .text beside it its lines must be printed
    text=$(cd "$work/files" && sh -e "$1" 2>&1)
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
for step in $(find "$work/steps" -name '*.sh' | sort -V); do
    run_step "$step"
done
echo "1..$number"
exit $failed
