# Sourced by the tests that are shell scripts: `report` writes a line of TAP, `done_testing` the plan; exit with $failed then.
# shellcheck shell=sh disable=SC2034 # $failed is for who sources this
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

done_testing() {
    echo "1..$number"
}
