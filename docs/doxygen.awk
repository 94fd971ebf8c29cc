# Shows Doxygen a public header in the form that it understands, and says on standard error what has no comment at all.
#
# Our headers are written for people: a member is explained by a plain comment beside or above it, a line like
# "/* ---- strings */" opens a group, several declarations in a row share the comment above the first.
#
# Usage: awk -f doxygen.awk HEADER; run without Doxygen it is the check alone: nothing on standard error, nothing missing.

FNR == 1 {
    depth = 0
    documented = group = in_macro = in_comment = in_declaration = in_list = 0
    last = ""
}

# The essay: its first line names the header.
FNR == 2 && /^ \* anqa\/[a-z_]*\.h - / {
    name = $2
    text = $0
    sub(/^ \* anqa\/[a-z_]*\.h - /, "", text)
    print " * @file " name
    print " * @brief " escaped(text)
    next
}

function escaped(text,    out, i, parts, n) { # all but what stands in `backticks`
    n = split(text, parts, "`")
    for (i = 1; i <= n; i++) {
        if (i % 2 == 1) {
            gsub(/\\/, "\\\\\\\\", parts[i])
            gsub(/</, "\\\\<", parts[i])
            gsub(/@/, "\\\\@", parts[i])
            gsub(/#/, "\\\\#", parts[i])
        }
        out = out (i > 1 ? "`" : "") parts[i]
    }
    return out
}

# A line of a comment that explains something; code in it is indented.
function explained(line) {
    return line ~ /^ \*     / ? line : escaped(line)
}

function banner(line) {
    sub(/^\/\* -+ /, "", line)
    sub(/ \*\/$/, "", line)
    close_group()
    print "/** @name " line
    print " * @{ */"
    group = 1
}

function close_group() {
    if (group)
        print "/** @} */"
    group = 0
}

function name_of(line) {
    if (match(line, /^#define [A-Za-z_0-9]+/))
        return substr(line, 9, RLENGTH - 8)
    if (match(line, /anqa_[a-z0-9_]+[(;[]/))
        return substr(line, RSTART, RLENGTH - 1)
    if (match(line, /(struct|enum|union) [a-z_0-9]+/))
        return substr(line, RSTART, RLENGTH)
    return line
}

# What is for the macros and functions of the header alone, or says nothing that a page could repeat.
function is_internal(name) {
    return name ~ /_$/ || name ~ /_H$/ || name ~ /_(MAP|X)$/ || name ~ /ANQA_(BEGIN|END)_DECLS/
}

function begins_declaration(line) {
    return line ~ /^(ANQA_API|static inline|typedef|struct [a-z_]+ \{|enum|union|extern|#define) ?/ &&
        line !~ /^extern "C"/ && line !~ /^struct [a-z_]+;/
}

function declare(line) {
    last_name = name
    name = name_of(line)
    if (!documented && !is_internal(name)) {
        if (in_list)
            print "/** See " last_name ". */"
        else
            printf "%s:%d: %s has no comment\n", FILENAME, FNR, name > "/dev/stderr"
    }
    documented = 0
    in_declaration = 1
}

# Members: what a plain comment says about them is their documentation.
function member(line) {
    if (line ~ /^ +\/\* /)
        sub(/\/\* /, "/** ", line)
    else
        sub(/\/\* /, "/**< ", line)
    return escaped_comment(line)
}

function escaped_comment(line,    at) {
    at = index(line, "/**")
    return at ? substr(line, 1, at + 2) escaped(substr(line, at + 3)) : line
}

/^\/\* -----.*\*\/$/ {
    banner($0)
    documented = in_list = 0
    next
}
/^ANQA_END_DECLS/ { close_group() }
/^\/\*\*/ && depth == 0 {
    documented = 1
    in_comment = $0 !~ /\*\//
    print escaped_comment($0)
    next
}
in_comment {
    if ($0 ~ /\*\//)
        in_comment = 0
    print depth == 0 ? explained($0) : escaped($0)
    next
}
/^$/ { in_list = in_declaration && depth > 0; documented = documented && depth > 0 }
depth == 0 && !in_declaration && begins_declaration($0) { declare($0) }
in_declaration {
    in_macro = $0 ~ /\\$/
    line = $0
    if (depth > 0 && !in_macro && line !~ /^ *#/) {
        in_comment = line ~ /\/\*/ && line !~ /\*\//
        line = member(line)
    }
    code = $0
    gsub(/"[^"]*"|'.'|\/\*.*/, "", code)
    depth += gsub(/\{/, "", code) - gsub(/\}/, "", code)
    if (!in_macro && depth == 0 && (code ~ /;[ ]*$/ || code == "" || $0 ~ /^[^ ].*[^\\]$/ && $0 ~ /^#/ || $0 ~ /^}/ || last ~ /\\$/)) {
        in_declaration = 0
        in_list = 1
    }
    last = $0
    print line
    next
}
{ print }
