#!/bin/sh
# Reserves hugepages for packet memory, and gives them back.
set -eu

usage() {
    cat <<'TEXT'
usage: hugepages.sh status
       hugepages.sh reserve MIB [--size 2M|1G] [--node NODE]
       hugepages.sh release [--size 2M|1G] [--node NODE]

status   shows pages and how many are free, per NUMA node and size
reserve  makes sure that at least MIB mebibytes are free for new programs
release  gives all free pages back to the system

Without --node the system chooses the nodes. Pages of 1G are best reserved on
the kernel's command line (hugepagesz=1G hugepages=N): later there may be no
contiguous memory. Reserving and releasing need root. Nothing is mounted: with
memory = "in-memory" that is not needed.
TEXT
}

fail() {
    echo "hugepages.sh: $1" >&2
    exit 1
}

# The folder in /sys of a page size, on a node or on the whole system.
folder() {
    if [ -n "$node" ]; then
        base=/sys/devices/system/node/node$node/hugepages
    else
        base=/sys/kernel/mm/hugepages
    fi
    [ -d "$base" ] || fail "no NUMA node $node"
    [ -d "$base/hugepages-${size_kb}kB" ] || fail "this machine has no pages of $size_kb kB"
    echo "$base/hugepages-${size_kb}kB"
}

# Sets the number of pages and checks that the system had them.
set_pages() {
    at=$(folder)
    echo "$1" >"$at/nr_hugepages" 2>/dev/null || fail "cannot write $at/nr_hugepages: are you root?"
    got=$(cat "$at/nr_hugepages")
    [ "$got" -ge "$1" ] || fail "only $got of $1 pages could be had: memory is too fragmented or too small"
}

status() {
    for at in /sys/devices/system/node/node*/hugepages/hugepages-*; do
        [ -d "$at" ] || continue
        on=${at#/sys/devices/system/node/}
        echo "${on%%/*}: $(cat "$at/nr_hugepages") pages of ${at##*-}, $(cat "$at/free_hugepages") free"
    done
}

reserve() {
    case $mib in
    '' | *[!0-9]*) fail "reserve needs a number of mebibytes (see --help)" ;;
    esac
    at=$(folder)
    pages=$(((mib * 1024 + size_kb - 1) / size_kb))
    used=$(($(cat "$at/nr_hugepages") - $(cat "$at/free_hugepages")))
    wanted=$((pages + used))
    if [ "$(cat "$at/nr_hugepages")" -lt "$wanted" ]; then
        set_pages "$wanted"
    fi
    echo "$(cat "$at/free_hugepages") pages of $size_kb kB are free"
}

release() {
    at=$(folder)
    set_pages $(($(cat "$at/nr_hugepages") - $(cat "$at/free_hugepages")))
    echo "$(cat "$at/nr_hugepages") pages of $size_kb kB are left, all in use"
}

verb=${1:---help}
[ $# -eq 0 ] || shift
size_kb=2048
node=
mib=
while [ $# -gt 0 ]; do
    case $1 in
    --size)
        case ${2:-} in
        2M) size_kb=2048 ;;
        1G) size_kb=1048576 ;;
        *) fail "--size is 2M or 1G" ;;
        esac
        shift 2
        ;;
    --node)
        case ${2:-} in
        '' | *[!0-9]*) fail "--node needs a number" ;;
        esac
        node=$2
        shift 2
        ;;
    --help | -h) verb=--help && shift ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *)
        [ -z "$mib" ] || fail "one number is enough (see --help)"
        mib=$1
        shift
        ;;
    esac
done

case $verb in
status) status ;;
reserve) reserve ;;
release) release ;;
--help | -h | help) usage ;;
*) fail "unknown verb $verb (see --help)" ;;
esac
