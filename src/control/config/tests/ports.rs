//! Mistakes in `[[port]]`.

use super::*;

/// A port with another device in line 3.
#[track_caller]
fn device_problem(device: &str, message: &str) {
    one_problem(&ONE_PORT.replace("net_tap0,iface=left", device), 3, "port.device", message);
}

#[test]
fn devices_that_cannot_be() {
    device_problem("net_tpa0", "unknown driver \"net_tpa\": did you mean \"net_tap\"?");
    device_problem("net_tap0,iface=left,brand=x", "net_tap has no argument \"brand\"");
    device_problem("eth0", "neither a PCI address");
}

#[test]
fn devices_that_the_machine_lacks() {
    device_problem("net_af_packet0,iface=eth7", "there is no network device eth7");
    device_problem("net_tap0,iface=left,remote=eth7", "there is no network device eth7");
    device_problem("0000:3c:00.0", "there is no PCI device 0000:3c:00.0");
    device_problem("net_vhost0,iface=/run/none/a.sock", "the socket's directory /run/none does not exist");
    device_problem("net_virtio_user0,path=/dev/none", "/dev/none does not exist");
    device_problem("net_pcap0,rx_pcap=in.pcap", "in.pcap does not exist");
    for device in ["net_af_packet0,iface=eth0", "3b:00.0", "net_vhost0,iface=/run/wire/a.sock", "net_memif0"]
    {
        valid(&ONE_PORT.replace("net_tap0,iface=left", device));
    }
    valid(&ONE_PORT.replace("net_tap0,iface=left", "net_virtio_user0,path=/dev/vhost-net"));
}

#[test]
fn an_mtu_that_the_device_or_ipv6_forbids() {
    port_problem("mtu = 1501", "1501 is more than net_tap can carry: at most 1500");
    let wire = ONE_PORT.replace("net_tap0,iface=left", "net_virtio_user0,path=/run/wire/a");
    assert_eq!(valid(&format!("{wire}mtu = 9000\n")).ports[0].mtu, 9000);
    one_problem(&format!("{wire}mtu = 9900\n"), 5, "port.mtu", "net_virtio_user can carry: at most 9698");
    let six = ONE_PORT.replace("10.1.1.2/24", "fd00::2/64");
    one_problem(&format!("{six}mtu = 1279\n"), 5, "port.mtu", "1279 is too small for IPv6");
}

#[test]
fn gateways_that_are_no_neighbours() {
    port_problem("gateway = \"10.1.2.1\"", "10.1.2.1 is in no subnet of the port (10.1.1.2/24)");
    port_problem("gateway = \"10.1.1.2\"", "10.1.1.2 is the port's own address");
    port_problem("gateway = \"fd00::1\"", "\"fd00::1\" is no IPv4 address");
    port_problem("gateway6 = \"fd00::1\"", "fd00::1 is in no subnet of the port");
    assert_eq!(
        valid(&format!("{ONE_PORT}gateway = \"10.1.1.1\"\n")).ports[0].gateway.unwrap().octets()[3],
        1
    );
}

#[test]
fn addresses_that_are_none() {
    let with = |address: &str| ONE_PORT.replace("10.1.1.2/24", address);
    one_problem(&with("10.1.1.2"), 4, "port.addresses", "has no prefix length");
    one_problem(&with("10.1.1.255/24"), 4, "port.addresses", "broadcast address");
    one_problem(&ONE_PORT.replace("\"10.1.1.2/24\"", ""), 4, "port.addresses", "0 addresses: from 1 to 16");
    let lines = ONE_PORT.replace("[\"10.1.1.2/24\"]", "[\n  \"10.1.1.2/24\",\n  \"10.1.1/24\",\n]");
    one_problem(&lines, 6, "port.addresses", "\"10.1.1\" is no IP address");
}

#[test]
fn addresses_that_no_host_has() {
    for (address, what) in [
        ("0.0.0.0/8", "the unspecified address"),
        ("::/64", "the unspecified address"),
        ("127.0.0.1/8", "a loopback address"),
        ("::1/64", "a loopback address"),
        ("224.0.0.1/24", "a multicast address"),
        ("ff02::1/64", "a multicast address"),
        ("255.255.255.255/24", "the broadcast address"),
        ("10.1.1.0/24", "the network's address"),
        ("fe80::1/64", "a link-local address"),
        ("fd00:1::/64", "a subnet's anycast address"),
        ("::ffff:10.1.1.2/120", "an IPv4-mapped address"),
        ("10.1.1.2/33", "no prefix length from 1 to 32"),
        ("10.1.1.2/0", "no prefix length from 1 to 32"),
        ("fd00::2/129", "no prefix length from 1 to 128"),
        ("10.1.1.2/", "no prefix length"),
    ] {
        one_problem(&ONE_PORT.replace("10.1.1.2/24", address), 4, "port.addresses", what);
    }
    for address in ["10.1.1.0/31", "10.1.1.1/32", "fd00::/127"] {
        valid(&ONE_PORT.replace("10.1.1.2/24", address));
    }
}

#[test]
fn other_values_of_a_port_that_cannot_be() {
    port_problem("mac = \"02:00:00:00:01\"", "is no MAC address");
    port_problem("mac = \"01:00:5e:00:00:01\"", "names a group or nobody");
    port_problem("rx_descriptors = 500", "500 is no power of two");
    one_problem(&ONE_PORT.replace("\"left\"", "\"l e f t\""), 2, "port.name", "1 to 32 letters");
}

/// Two ports: the second in lines 5 to 8.
fn two_ports(name: &str, device: &str, address: &str, more: &str) -> String {
    format!(
        "{ONE_PORT}[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddresses = [\"{address}\"]\n{more}"
    )
}

#[test]
fn what_two_ports_must_not_share() {
    valid(&two_ports("right", "net_tap1,iface=right", "10.1.2.2/24", ""));
    let text = two_ports("left", "net_tap1,iface=right", "10.1.2.2/24", "");
    one_problem(&text, 6, "port.name", "the name left is already used in line 2");
    let text = two_ports("right", "net_tap0,iface=right", "10.1.2.2/24", "");
    one_problem(&text, 7, "port.device", "the device net_tap0 is already used in line 3");
    let text = two_ports("right", "net_tap1,iface=left", "10.1.2.2/24", "");
    one_problem(&text, 7, "port.device", "the network device left is already used in line 3");
    let text = two_ports("right", "net_tap1,iface=right", "10.1.1.2/24", "");
    one_problem(&text, 8, "port.addresses", "the address 10.1.1.2 is already used in line 4");
    let text = two_ports("right", "net_tap1,iface=right", "10.1.0.9/16", "");
    one_problem(&text, 8, "port.addresses", "10.1.0.9/16 overlaps 10.1.1.2/24 of port \"left\" (line 1)");
    let first = format!("{ONE_PORT}mac = \"02:00:00:00:00:01\"\n");
    let second = "[[port]]\nname = \"b\"\ndevice = \"net_tap1\"\naddresses = [\"10.9.1.2/24\"]\nmac = \"02:00:00:00:00:01\"\n";
    one_problem(
        &format!("{first}{second}"),
        10,
        "port.mac",
        "the MAC address 02:00:00:00:00:01 is already used in line 5",
    );
}

#[test]
fn two_ports_on_one_card_or_socket() {
    let first = ONE_PORT.replace("net_tap0,iface=left", "0000:3b:00.0");
    let second = "[[port]]\nname = \"b\"\ndevice = \"3B:00.0\"\naddresses = [\"10.9.1.2/24\"]\n";
    one_problem(
        &format!("{first}{second}"),
        7,
        "port.device",
        "the device 0000:3b:00.0 is already used in line 3",
    );
    let first = ONE_PORT.replace("net_tap0,iface=left", "net_vhost0,iface=/run/wire/a");
    let second = "[[port]]\nname = \"b\"\ndevice = \"net_virtio_user0,path=/run/wire/a\"\naddresses = [\"10.9.1.2/24\"]\n";
    one_problem(
        &format!("{first}{second}"),
        7,
        "port.device",
        "the socket /run/wire/a is already used in line 3",
    );
}

#[test]
fn more_ports_than_there_can_be() {
    let port = |index: usize| {
        format!(
            "[[port]]\nname = \"p{index}\"\ndevice = \"net_tap{index}\"\naddresses = [\"10.1.{index}.2/24\"]\n\
                 rx_descriptors = 64\ntx_descriptors = 64\n"
        )
    };
    let ports = |count| (0..count).map(port).collect::<String>();
    assert_eq!(valid(&ports(32)).ports.len(), 32);
    one_problem(&ports(33), 1, "port", "33 ports: from 1 to 32");
    let many =
        |count: usize| (1..=count).map(|host| format!("\"10.1.1.{host}/24\"")).collect::<Vec<_>>().join(", ");
    one_problem(
        &ONE_PORT.replace("\"10.1.1.2/24\"", &many(17)),
        4,
        "port.addresses",
        "17 addresses: from 1 to 16",
    );
    let wide = |index: usize| {
        let list = many(16).replace("10.1.1.", &format!("10.2.{index}."));
        port(index).replace(&format!("\"10.1.{index}.2/24\""), &list)
    };
    one_problem(&(0..5).map(wide).collect::<String>(), 1, "port", "80 addresses in all: at most 64");
}
