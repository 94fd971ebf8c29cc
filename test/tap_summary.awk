# Reads test/expected-skips, then the TAP files that run_tap.sh wrote; prints the failures with their output.
# Appends "passed failed skipped" to the file `counts`, and each skip with its reason to the file `skips`.
# With ci=true a skip that is not expected is a failure.

function end_of_file()
{
    if (program == "")
        return
    if (status == "")
        problem("was killed before it ended")
    else if (planned >= 0 && seen != planned)
        problem("ran " seen " of " planned " tests, exit status " status)
    else if (status != 0 && !bad)
        problem("ended with status " status)
    else if (planned < 0)
        problem("printed no plan")
}

function problem(words)
{
    print "not ok " preset " " program " - " words
    printf "%s", tail
    failed++
}

function skip(test, reason,    line)
{
    line = preset " " program " " test ": " reason
    if (ci == "true" && !((preset " " program " " test) in expected) && !(("* " program " " test) in expected)) {
        print "not ok " line " (a skip that test/expected-skips does not have)"
        failed++
        return
    }
    print "  " line >> skips
    skipped++
}

FILENAME == ARGV[1] {
    if ($0 !~ /^(#|$)/) {
        sub(/:.*/, "")
        expected[$0] = 1
    }
    next
}

FNR == 1 {
    end_of_file()
    program = FILENAME
    sub(/.*\//, "", program)
    sub(/\.tap.*/, "", program)
    planned = -1
    seen = bad = 0
    status = tail = ""
}

/^1\.\.[0-9]+/ {
    planned = substr($1, 4) + 0
    next
}

/^# exit [0-9]+$/ {
    status = $3
    next
}

/^(not )?ok / {
    seen++
    in_failure = /^not /
    name = $0
    sub(/^(not )?ok [0-9]* *(- )?/, "", name)
    if (in_failure) {
        print "not ok " preset " " program " - " name
        failed++
        bad = 1
    } else if (match(name, / *# SKIP */)) {
        skip(substr(name, 1, RSTART - 1), substr(name, RSTART + RLENGTH))
    } else {
        passed++
    }
    next
}

in_failure && /^#/ {
    print
    next
}

# Output outside of TAP: a program that could not start, or died as a whole.
!/^TAP version/ {
    tail = tail "#   " $0 "\n"
}

END {
    end_of_file()
    if (ctest_status != 0 && failed == 0) {
        print "not ok " preset " - ctest ended with status " ctest_status
        failed++
    }
    print passed + 0, failed + 0, skipped + 0 >> counts
}
