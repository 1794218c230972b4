//! How the binary's verbs and the kernel's MPTCP agree on what they speak,
//! over two TAP ports: subflows, families, checksums, fallback.
#![cfg(feature = "dpdk")]

mod support;

use std::io::Read;
use std::net::TcpStream;
use support::{
    Counters, DEADLINE, HttpServer, LinkBytes, Process, RandomFile, Site, Socket, download, is_root,
    mptcp_info, mptcp_sockets, read_head, request, sha256_of, subflows, wait_for, wait_until,
};

const FILE_BYTES: u64 = 16 << 20;

/// Runs `mpdk get URL --json` and gives its report; the content must be `file`.
#[track_caller]
fn get(site: &Site, url: &str, file: &RandomFile) -> serde_json::Value {
    let output = site.path("got");
    let mut command = site.mpdk("get");
    command.arg(url).arg("--json").arg("--output").arg(&output).args(["--sha256", &file.sha256]);
    let report = Process::start(&mut command).success(DEADLINE);
    assert_eq!(sha256_of(std::fs::File::open(&output).unwrap()).unwrap(), *file);
    serde_json::from_str(&report).unwrap()
}

/// Both links of a report, with what they carried.
fn links(report: &serde_json::Value) -> Vec<(&str, u64)> {
    let links = report["links"].as_array().unwrap().iter();
    links.map(|link| (link["name"].as_str().unwrap(), link["bytes"].as_u64().unwrap())).collect()
}

/// The kernel's own connection, not that of another test, once it is as wanted.
#[track_caller]
fn established(site: &Site, is_as_wanted: impl Fn(&Socket) -> bool) -> Socket {
    wait_for("the connection in ss -M", DEADLINE, || {
        let all = mptcp_sockets(&site.kernel);
        all.into_iter().find(|socket| socket.state == "ESTAB" && is_as_wanted(socket))
    })
}

/// Own and remote addresses of the kernel's established subflows, in order.
fn pairs(site: &Site) -> Vec<(String, String)> {
    let address = |text: &str| text.rsplit_once(':').unwrap().0.to_owned();
    let established = subflows(&site.kernel).into_iter().filter(|subflow| subflow.state == "ESTAB");
    let mut pairs: Vec<_> =
        established.map(|subflow| (address(&subflow.local), address(&subflow.remote))).collect();
    pairs.sort_unstable();
    pairs
}

/// Both subflows have more than a handshake and a request behind them.
fn carry(site: &Site, field: &str) -> bool {
    let subflows = subflows(&site.kernel);
    subflows.len() == 2 && subflows.iter().all(|subflow| subflow.number(field) > 10_000)
}

fn pair(link: u8) -> (String, String) {
    (format!("10.79.{link}.1"), format!("10.79.{link}.2"))
}

#[test]
fn the_kernel_as_client_sees_the_connection_and_both_subflows() {
    if !is_root("the_kernel_as_client_sees_the_connection_and_both_subflows") {
        return;
    }
    let site = Site::new("client");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 1);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    let token = format!("{:x}", mptcp_info(&stream).unwrap().token);
    let connection = established(&site, |socket| socket.number("subflows") == 1);
    assert_eq!(connection.remote, "10.79.1.2:5555");
    assert!(connection.words.iter().any(|word| word == "remote_key"), "{connection:?}");
    assert_eq!(connection.fields["token"].trim_start_matches('0'), token);
    wait_until("both subflows", DEADLINE, || pairs(&site) == [pair(1), pair(2)]);
    // While it runs: the answer's head is there, most of the content is not.
    request(&mut stream, "/file");
    assert!(read_head(&mut stream).unwrap().starts_with("HTTP/1.1 200"));
    wait_until("both subflows to carry", DEADLINE, || carry(&site, "bytes_received"));
    assert_eq!(pairs(&site), [pair(1), pair(2)]);
    assert_eq!(sha256_of(&mut stream).unwrap(), file);
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPCapableSYNACKRX"), 1);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckRx"), 1);
    site.assert_clean();
}

#[test]
fn the_kernel_as_server_sees_the_connection_and_both_subflows() {
    if !is_root("the_kernel_as_server_sees_the_connection_and_both_subflows") {
        return;
    }
    let site = Site::new("server");
    // It announces and takes no announcements: else both sides may join.
    site.kernel.set_mptcp_limits(8, 0);
    site.kernel.add_mptcp_endpoint("10.79.2.1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), 4 * FILE_BYTES, 2);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let mut command = site.mpdk("get");
    command.arg("http://10.79.1.1:8080/file").arg("--output").arg(site.path("got"));
    let download = Process::start(command.args(["--sha256", &file.sha256]));
    let connection = established(&site, |socket| socket.number("subflows") == 1);
    assert_eq!(connection.local, "10.79.1.1:8080");
    wait_until("both subflows", DEADLINE, || pairs(&site) == [pair(1), pair(2)]);
    wait_until("both subflows to carry", DEADLINE, || carry(&site, "bytes_sent"));
    download.success(DEADLINE);
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPCapableACKRX"), 1);
    assert_eq!(counters.get("MPTcpExtMPJoinAckRx"), 1);
    site.assert_clean();
}

#[test]
fn one_subflow_where_the_kernel_as_client_joins_none() {
    if !is_root("one_subflow_where_the_kernel_as_client_joins_none") {
        return;
    }
    let site = Site::new("single");
    site.kernel.set_mptcp_limits(0, 0);
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 3);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    download(&mut stream, &file);
    let info = mptcp_info(&stream).unwrap();
    assert_eq!((info.subflows, info.fallback), (0, false));
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPCapableSYNACKRX"), 1);
    assert_eq!(counters.non_zero("MPTcpExtMPJoin"), []);
    assert!(LinkBytes::of(&site.kernel, Site::LINKS[1]).received < 100_000);
    site.assert_clean();
}

#[test]
fn one_subflow_where_the_endpoint_may_have_no_more() {
    if !is_root("one_subflow_where_the_endpoint_may_have_no_more") {
        return;
    }
    let site = Site::with_mptcp("alone", "max_subflows = 1");
    site.kernel.add_mptcp_endpoint("10.79.2.1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 4);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let report = get(&site, "http://10.79.1.1:8080/file", &file);
    assert_eq!(report["mptcp"], true);
    assert!(matches!(links(&report)[..], [("link1", bytes)] if bytes >= FILE_BYTES), "{report}");
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPCapableACKRX"), 1);
    // Nobody even asked for another.
    for counter in ["SynRx", "SynAckRx", "AckRx"] {
        assert_eq!(counters.get(&format!("MPTcpExtMPJoin{counter}")), 0, "{counter}");
    }
    site.assert_clean();
}

#[test]
fn two_subflows_over_ipv6() {
    if !is_root("two_subflows_over_ipv6") {
        return;
    }
    let site = Site::new("six");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 5);
    let _server = site.serve_with(site.folder.path(), &["--listen", "[::]:5555"]);
    let mut stream = site.connect_to("[fd79:1::2]:5555");
    site.wait_for_join(&stream);
    download(&mut stream, &file);
    site.assert_clean();
}

#[test]
fn mpdk_get_opens_two_subflows_over_ipv6() {
    if !is_root("mpdk_get_opens_two_subflows_over_ipv6") {
        return;
    }
    let site = Site::new("get-six");
    // It announces and takes no announcements: else both sides may join.
    site.kernel.set_mptcp_limits(8, 0);
    site.kernel.add_mptcp_endpoint("fd79:2::1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), 4 * FILE_BYTES, 6);
    let _server = HttpServer::start(&site.kernel, "[::]:8080", site.folder.path());
    let report = get(&site, "http://[fd79:1::1]:8080/file", &file);
    assert_eq!(report["mptcp"], true);
    let carried = links(&report);
    assert_eq!(carried.len(), 2, "{report}");
    assert!(carried.iter().all(|(_, bytes)| *bytes > FILE_BYTES / 20), "{report}");
    for link in report["links"].as_array().unwrap() {
        assert!(link["remote"].as_str().unwrap().starts_with("[fd79:"), "{report}");
    }
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPCapableACKRX"), 1);
    assert_eq!(counters.get("MPTcpExtMPJoinAckRx"), 1);
    site.assert_clean();
}

#[test]
fn checksums_that_the_kernel_requires_are_right() {
    if !is_root("checksums_that_the_kernel_requires_are_right") {
        return;
    }
    let site = Site::new("checksum");
    site.kernel.sysctl("net.mptcp.checksum_enabled", "1");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 4);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    site.wait_for_join(&stream);
    download(&mut stream, &file);
    site.assert_clean();
}

#[test]
fn a_kernel_without_mptcp_gets_plain_tcp() {
    if !is_root("a_kernel_without_mptcp_gets_plain_tcp") {
        return;
    }
    let site = Site::new("plain");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 5);
    let _server = site.serve(site.folder.path());
    // The namespace's MPTCP off: a plain socket.
    let url = "http://10.79.1.2:5555/file";
    let got = site.path("got");
    wait_until("the endpoint's server", DEADLINE, || {
        let mut curl = site.kernel.command("curl");
        curl.args(["--silent", "--fail", "--output"]).arg(&got).arg(url);
        curl.status().unwrap().success()
    });
    assert_eq!(sha256_of(std::fs::File::open(&got).unwrap()).unwrap(), file);
    assert_eq!(Counters::of(&site.kernel).get("MPTcpExtMPCapableSYNTX"), 0);
}

#[test]
fn mpdk_get_falls_back_where_the_kernel_has_no_mptcp() {
    if !is_root("mpdk_get_falls_back_where_the_kernel_has_no_mptcp") {
        return;
    }
    let site = Site::new("fallback");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 9);
    let _server = HttpServer::over_tcp(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let report = get(&site, "http://10.79.1.1:8080/file", &file);
    assert_eq!(report["mptcp"], false);
}

#[test]
fn a_hundred_connections_at_once() {
    if !is_root("a_hundred_connections_at_once") {
        return;
    }
    let site = Site::new("hundred");
    let file = RandomFile::write(&site.path("file"), 100_000, 7);
    let mut server = site.serve(site.folder.path());
    let mut streams: Vec<TcpStream> = (0..100).map(|_| site.connect()).collect();
    streams.iter_mut().for_each(|stream| request(stream, "/file"));
    for stream in &mut streams {
        assert!(read_head(stream).unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(sha256_of(stream).unwrap(), file);
    }
    site.assert_clean();
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

#[test]
fn an_idle_server_leaves_the_core_alone() {
    if !is_root("an_idle_server_leaves_the_core_alone") {
        return;
    }
    let site = Site::new("idle");
    std::fs::write(site.path("file"), "idle").unwrap();
    let server = site.serve(site.folder.path());
    let mut stream = site.connect();
    request(&mut stream, "/file");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("idle"));
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // 100 ticks are a second of a core: below 5 % over two seconds.
    wait_until("the server to idle", DEADLINE, || {
        let before = ticks();
        std::thread::sleep(std::time::Duration::from_secs(2));
        ticks() - before < 10
    });
}
