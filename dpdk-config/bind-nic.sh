#!/bin/sh
# Hands a NIC over to DPDK (vfio-pci), and back to the kernel.
set -eu

usage() {
    cat <<'TEXT'
usage: bind-nic.sh status
       bind-nic.sh bind PCI-ADDRESS [--driver DRIVER] [--force]
       bind-nic.sh return PCI-ADDRESS

status  lists the NICs: address, driver, network device, what it is
bind    takes the NIC from the kernel and binds it to DRIVER (vfio-pci)
return  gives it back to the kernel's driver

PCI-ADDRESS is like 0000:5e:00.0; the first part may be left out.

bind refuses a NIC over which a default route goes: it may be the one you are
logged in through. It also refuses one whose network device is up with an
address, unless --force is given. NICs of NVIDIA (mlx5) are not bound at all:
DPDK shares them with the kernel. bind and return need root.
TEXT
}

fail() {
    echo "bind-nic.sh: $1" >&2
    exit 1
}

devices=/sys/bus/pci/devices

driver_of() {
    if [ -e "$devices/$1/driver" ]; then
        basename "$(readlink "$devices/$1/driver")"
    else
        echo none
    fi
}

# The network devices of a NIC, also those that hang on it through virtio.
netdevs_of() {
    for at in "$devices/$1"/net/* "$devices/$1"/virtio*/net/*; do
        [ -e "$at" ] && basename "$at"
    done
    return 0
}

# Every device that a default route leads through, also from below: the parts
# of a bond, team or bridge, and what a VLAN lies on.
default_route_devices() {
    { ip -4 route show table all default && ip -6 route show table all default; } 2>/dev/null |
        sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u |
        while read -r device; do
            echo "$device"
            lower_devices "$device"
        done
}

lower_devices() {
    for at in "/sys/class/net/$1"/lower_*; do
        [ -e "$at" ] || continue
        echo "${at##*/lower_}"
        (lower_devices "${at##*/lower_}")
    done
}

check_free() {
    routes=$(default_route_devices)
    for device in $(netdevs_of "$1"); do
        if echo "$routes" | grep -qxF "$device"; then
            fail "refused: a default route goes over $device ($1)"
        fi
        if [ -z "$force" ] && [ -n "$(ip -o address show dev "$device" scope global 2>/dev/null)" ]; then
            fail "refused: $device ($1) has an address; --force takes it all the same"
        fi
    done
}

status() {
    for at in "$devices"/*; do
        [ -e "$at" ] || continue
        # Class 02: network controllers.
        case $(cat "$at/class") in
        0x02*)
            address=${at##*/}
            names=$(netdevs_of "$address" | tr '\n' ' ')
            what=$(lspci -s "$address" 2>/dev/null | cut -d ' ' -f 2-) || what=
            echo "$address  driver $(driver_of "$address")  device ${names:-none }  $what"
            ;;
        esac
    done
}

# Lets `driver` take the NIC and nothing else.
rebind() {
    echo "$2" >"$devices/$1/driver_override" || fail "cannot write to $devices/$1: are you root?"
    if [ -e "$devices/$1/driver" ]; then
        echo "$1" >"$devices/$1/driver/unbind"
    fi
    echo "$1" >/sys/bus/pci/drivers_probe || true
}

bind() {
    now=$(driver_of "$address")
    [ "$now" != mlx5_core ] || fail "refused: mlx5 NICs are not bound, use them as they are"
    if [ "$now" = "$driver" ]; then
        echo "$address has $driver already"
        return
    fi
    check_free "$address"
    modprobe "$driver" 2>/dev/null || [ -d "/sys/bus/pci/drivers/$driver" ] || fail "there is no driver $driver"
    if [ "$driver" = vfio-pci ] && [ ! -e "$devices/$address/iommu_group" ]; then
        fail "no IOMMU: add intel_iommu=on (or iommu=pt for AMD) to the kernel's command line"
    fi
    rebind "$address" "$driver"
    if [ "$(driver_of "$address")" != "$driver" ]; then
        rebind "$address" ""
        fail "$driver did not take $address; it has $(driver_of "$address") again"
    fi
    echo "$address: $driver (was $now)"
}

give_back() {
    rebind "$address" ""
    echo "$address: $(driver_of "$address")"
}

verb=${1:---help}
[ $# -eq 0 ] || shift
address=
driver=vfio-pci
force=
while [ $# -gt 0 ]; do
    case $1 in
    --driver)
        driver=${2:?--driver needs a name}
        case $driver in *[!a-zA-Z0-9_-]*) fail "$driver is no driver" ;; esac
        shift 2
        ;;
    --force) force=yes && shift ;;
    --help | -h) verb=--help && shift ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *)
        [ -z "$address" ] || fail "one NIC at a time (see --help)"
        address=$1
        shift
        ;;
    esac
done

case $verb in
bind | return)
    case $address in
    '') fail "which NIC? (see --help)" ;;
    *[!0-9a-fA-F:.]*) fail "$address is no PCI address" ;;
    ????:??:??.?) ;;
    ??:??.?) address=0000:$address ;;
    *) fail "$address is no PCI address" ;;
    esac
    [ -e "$devices/$address" ] || fail "there is no device $address"
    case $(cat "$devices/$address/class") in
    0x02*) ;;
    *) fail "$address is not a NIC" ;;
    esac
    if [ "$verb" = bind ]; then bind; else give_back; fi
    ;;
status) status ;;
--help | -h | help) usage ;;
*) fail "unknown verb $verb (see --help)" ;;
esac
