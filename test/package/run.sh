#!/bin/sh
# Usage: run.sh BUILD CC
# Installs the library into an empty prefix and builds an application against it, outside of the tree, the ways that
# users do: by pkg-config, and by CMake's find_package with the shared and with the static library. So is the README's
# first taste, and a test that is written with the kit.
set -u
build=$1
cc=$2
source=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
module=anqa # what pkg-config is asked for

# shellcheck source=test/tap.sh
. "$source/../tap.sh"

step() { # $1: name, then a command
    name=$1
    shift
    text=$("$@" 2>&1)
    report $? "$name" "$text"
}

# shellcheck disable=SC2317 # the functions are called by step
by_pkg_config() { # $1: source, then arguments of the program
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name anqa.pc)")
    export PKG_CONFIG_PATH
    libdir=$(pkg-config --variable=libdir "$module") &&
        flags=$(pkg-config --cflags --libs "$module") || return 1
    for flag in -fstack-clash-protection -fno-omit-frame-pointer -pthread -rdynamic; do
        case " $flags " in
        *" $flag "*) ;;
        *)
            echo "pkg-config does not give $flag, but: $flags"
            return 1
            ;;
        esac
    done
    file=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    "$cc" -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter "$file" $flags "-Wl,-rpath,$libdir" -o "$work/app" &&
        "$work/app" "$@"
}

# shellcheck disable=SC2317
readme_taste() {
    awk '/^<!-- taste -->/ { taste = 1 } /^<!-- \/taste -->/ { taste = 0 }
        /^```$/ { code = 0 } code { print } taste && /^```c$/ { code = 1 }' "$source/../../README.md" >"$work/taste.c"
    by_pkg_config "$work/taste.c" --version | grep '^counting '
}

# shellcheck disable=SC2317
cmake_build() {
    cmake -S "$source" -B "$work/cmake" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" "-DCMAKE_C_COMPILER=$cc" &&
        cmake --build "$work/cmake"
}

step "the library installs" cmake --install "$build" --prefix "$prefix"
step "every public header is installed" diff -r "$source/../../include/anqa" "$prefix/include/anqa"
step "an application builds and runs by pkg-config" by_pkg_config "$source/app.c"
step "the README's example builds and runs" readme_taste
step "applications build by find_package" cmake_build
step "the one with the shared library runs" "$work/cmake/app_shared"
step "the one with the static library runs" "$work/cmake/app_static"
step "a test runs that find_package has built" "$work/cmake/app_test"
module=anqa_test
step "a test builds and runs by pkg-config" by_pkg_config "$source/kit.c"
done_testing
exit $failed
