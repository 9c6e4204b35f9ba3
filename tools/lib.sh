# shellcheck shell=bash disable=SC2034 # what is set here is used by those who source it
# What the tools share: where they are, how they print, and running named parts with their output kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
jobs=$(nproc 2>/dev/null || echo 2)

bold='' red='' green='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' red=$'\033[31m' green=$'\033[32m' off=$'\033[0m'
fi

# The files of the project whose path matches a regular expression.
files() {
    find . \( -path ./build -o -path ./.git -o -name node_modules \) -prune -o -type f -printf '%P\n' |
        grep -E "$1" | sort
}

# configure PRESET, unless it is configured
configure() {
    [ -f "build/$1/build.ninja" ] || cmake --preset "$1"
}

# report NAME STATUS SECONDS TEXT: one line about a part that has ended
report() {
    local mark="${green}ok$off    "
    [ "$2" = 0 ] || mark="${red}FAILED$off"
    printf '%s  %-12s %4ss  %s\n' "$mark" "$1" "$3" "$4"
}
