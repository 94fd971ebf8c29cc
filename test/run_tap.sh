#!/bin/sh
# Usage: run_tap.sh FILE COMMAND [ARGUMENT ...]
# Runs a test program, shows what it prints and keeps it in FILE, with its exit status in the last line.
# ANQA_TEST_FILTER limits the run: everything when it is part of the program's name, else the tests it selects.
set -u

file=$1
shift
mkdir -p "$(dirname "$file")"
rm -f "$file"

if [ -n "${ANQA_TEST_FILTER:-}" ]; then
    name=$(basename "$file" .tap)
    case $name in
    *"$ANQA_TEST_FILTER"*) ;;
    *_test) set -- "$@" "$ANQA_TEST_FILTER" ;;
    *) exit 0 ;;
    esac
fi

"$@" >"$file.part" 2>&1
status=$?
echo "# exit $status" >>"$file.part"
mv "$file.part" "$file"
cat "$file"
exit "$status"
