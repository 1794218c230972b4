//! The binary's verbs against the kernel's MPTCP, over two TAP ports: what
//! `mpdk serve` serves the kernel reads, and what the kernel serves `mpdk get`
//! reads, over both links at once.
#![cfg(feature = "dpdk")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Capture, Counters, DEADLINE, LinkBytes, Namespace, Process, RandomFile, is_root, kernel_mptcp_connect,
    kernel_mptcp_listener, mptcp_info, program, sha256_of, wait_until,
};

const TRANSFER_BYTES: u64 = 64 << 20;
const LINKS: [&str; 2] = ["tap1", "tap2"];

/// A host with the kernel's MPTCP and two TAP devices, whose other ends an
/// endpoint takes: 10.79.1.0/24 and 10.79.2.0/24, .1 the kernel, .2 the
/// endpoint.
struct Site {
    kernel: Namespace,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(label: &str) -> Self {
        let site = Self { kernel: Namespace::new(label), folder: tempfile::tempdir().unwrap() };
        site.kernel.sysctl("net.mptcp.enabled", "1");
        site.kernel.set_mptcp_limits(8, 8);
        for (number, device) in (1..).zip(LINKS) {
            // The device stays when the endpoint goes, and has its address when it comes.
            site.kernel.ip(&["tuntap", "add", "mode", "tap", "multi_queue", "name", device]);
            site.kernel.add_address(device, &format!("10.79.{number}.1/24"));
            // No duplicate address detection: the address is wanted at once.
            site.kernel.ip(&["address", "add", &format!("fd79:{number}::1/64"), "dev", device, "nodad"]);
        }
        std::fs::write(site.path("config.toml"), site.config()).unwrap();
        site
    }

    fn config(&self) -> String {
        let port = |number: usize| {
            format!(
                "[[port]]\nname = \"link{number}\"\ndevice = \"net_tap{},iface={}\"\n\
                 addresses = [\"10.79.{number}.2/24\", \"fd79:{number}::2/64\"]\n\n",
                number - 1,
                LINKS[number - 1]
            )
        };
        let prefix = self.kernel.name();
        format!("[eal]\nfile_prefix = \"{prefix}\"\n\n[mptcp]\nfull_mesh = true\n\n{}{}", port(1), port(2))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `mpdk VERB --config ...` on the host, whose devices it takes.
    fn mpdk(&self, verb: &str) -> Command {
        let binary = program("mpdk");
        let mut command = self.kernel.command(binary.to_str().unwrap());
        command.args(["--log", "info,dpdk=off", verb, "--config"]).arg(self.path("config.toml"));
        command
    }

    fn serve(&self, root: &Path) -> Process {
        self.serve_at("0.0.0.0:5555", root)
    }

    fn serve_at(&self, listen: &str, root: &Path) -> Process {
        let mut command = self.mpdk("serve");
        command.args(["--listen", listen, "--root"]).arg(root);
        let mut server = Process::start(&mut command);
        server.wait_for_text("serving", DEADLINE);
        server
    }

    /// Asks the endpoint's server for a file from the kernel. The link may still
    /// be coming up.
    fn connect(&self) -> TcpStream {
        self.connect_to("10.79.1.2:5555")
    }

    fn connect_to(&self, server: &str) -> TcpStream {
        let server: SocketAddr = server.parse().unwrap();
        let mut connected = None;
        wait_until("the endpoint's server", DEADLINE, || {
            connected = kernel_mptcp_connect(&self.kernel, None, server).ok();
            connected.is_some()
        });
        connected.unwrap()
    }
}

fn request(stream: &mut TcpStream, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: endpoint\r\nConnection: close\r\n\r\n").unwrap();
}

/// Reads a response's head, to its empty line.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Serves one file over HTTP to one client.
fn serve_once(listener: TcpListener, path: PathBuf, bytes: u64) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n").unwrap();
        std::io::copy(&mut std::fs::File::open(path).unwrap(), &mut stream).unwrap();
    })
}

#[test]
fn the_kernel_downloads_over_both_links_and_the_server_ends_in_order() {
    if !is_root("the_kernel_downloads_over_both_links_and_the_server_ends_in_order") {
        return;
    }
    let site = Site::new("serve");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES, 1);
    let mut server = site.serve(site.folder.path());
    let capture = Capture::start(&site.kernel, LINKS[1], &site.path("tap2.pcap"));
    let mut stream = site.connect();
    wait_until("the second subflow", DEADLINE, || mptcp_info(&stream).unwrap().subflows == 1);
    assert!(!mptcp_info(&stream).unwrap().fallback);
    request(&mut stream, "/file");
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(sha256_of(&mut stream).unwrap(), file);
    for link in LINKS {
        let carried = LinkBytes::of(&site.kernel, link).received;
        assert!(carried > TRANSFER_BYTES / 20, "{link} carried {carried} bytes");
    }
    let counters = Counters::of(&site.kernel);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckRx"), 1);
    assert_eq!(counters.get("MPTcpExtMPJoinSynAckHMacFailure"), 0);
    assert_eq!(counters.get("MPTcpExtDSSNotMatching"), 0);
    let captured = capture.finish();
    // Random payload looks like many a protocol, and like a broken one: only
    // segments without any are judged.
    let broken = "tcp.len == 0 && (_ws.malformed || _ws.expert.severity == \"Error\")";
    assert_eq!(Capture::count(&captured, broken), 0);
    assert_eq!(Capture::count(&captured, "tcp.options.mptcp.subtype == 1 && tcp.flags.syn == 1"), 2);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

#[test]
fn a_download_from_the_kernel_survives_the_loss_of_a_link() {
    if !is_root("a_download_from_the_kernel_survives_the_loss_of_a_link") {
        return;
    }
    let site = Site::new("get");
    site.kernel.add_mptcp_endpoint("10.79.2.1", LINKS[1], &["signal"]);
    let source = site.path("source");
    let file = RandomFile::write(&source, 4 * TRANSFER_BYTES, 2);
    let listener = kernel_mptcp_listener(&site.kernel, "0.0.0.0:8080".parse().unwrap()).unwrap();
    let serving = serve_once(listener, source, file.bytes);
    let output = site.path("output");
    let mut command = site.mpdk("get");
    command.arg("http://10.79.1.1:8080/file").arg("--output").arg(&output).args(["--sha256", &file.sha256]);
    let mut download = Process::start(&mut command);
    let carried = |link| LinkBytes::of(&site.kernel, link).sent;
    wait_until("both links to carry", DEADLINE, || {
        assert!(download.is_running(), "{}{}", download.output(), download.errors());
        LINKS.iter().all(|link| carried(link) > 1 << 20)
    });
    site.kernel.ip(&["link", "set", LINKS[0], "down"]);
    let status = download.wait(DEADLINE);
    assert!(status.success(), "{status}\n{}", download.errors());
    serving.join().unwrap();
    assert_eq!(sha256_of(std::fs::File::open(&output).unwrap()).unwrap(), file);
    // What the first link had not brought came over the second.
    assert!(carried(LINKS[1]) > file.bytes / 4);
}

/// Asks for the file on an open connection and checks what comes.
fn download(stream: &mut TcpStream, file: &RandomFile) {
    request(stream, "/file");
    assert!(read_head(stream).starts_with("HTTP/1.1 200"));
    assert_eq!(sha256_of(stream).unwrap(), *file);
}

/// No counter of the kernel says that something went wrong.
fn assert_clean(kernel: &Namespace) {
    let counters = Counters::of(kernel);
    for bad in [
        "MPTcpExtMPCapableFallbackACK",
        "MPTcpExtMPCapableFallbackSYNACK",
        "MPTcpExtMPJoinSynAckHMacFailure",
        "MPTcpExtMPJoinAckHMacFailure",
        "MPTcpExtDSSNotMatching",
        "MPTcpExtDataCsumErr",
        "MPTcpExtMPFailRx",
        "MPTcpExtMPFailTx",
        "MPTcpExtInfiniteMapRx",
        "TcpExtTCPAbortOnTimeout",
    ] {
        assert_eq!(counters.get(bad), 0, "{bad}");
    }
}

#[test]
fn two_subflows_over_ipv6() {
    if !is_root("two_subflows_over_ipv6") {
        return;
    }
    let site = Site::new("six");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES / 4, 3);
    let _server = site.serve_at("[::]:5555", site.folder.path());
    let mut stream = site.connect_to("[fd79:1::2]:5555");
    wait_until("the second subflow", DEADLINE, || mptcp_info(&stream).unwrap().subflows == 1);
    download(&mut stream, &file);
    assert_clean(&site.kernel);
}

#[test]
fn checksums_that_the_kernel_requires_are_right() {
    if !is_root("checksums_that_the_kernel_requires_are_right") {
        return;
    }
    let site = Site::new("checksum");
    site.kernel.sysctl("net.mptcp.checksum_enabled", "1");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES / 4, 4);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    wait_until("the second subflow", DEADLINE, || mptcp_info(&stream).unwrap().subflows == 1);
    download(&mut stream, &file);
    assert_clean(&site.kernel);
}

#[test]
fn a_kernel_without_mptcp_gets_plain_tcp() {
    if !is_root("a_kernel_without_mptcp_gets_plain_tcp") {
        return;
    }
    let site = Site::new("plain");
    let file = RandomFile::write(&site.path("file"), TRANSFER_BYTES / 4, 5);
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
    let source = site.path("source");
    let file = RandomFile::write(&source, TRANSFER_BYTES / 4, 6);
    let listener = kernel_mptcp_listener(&site.kernel, "0.0.0.0:8080".parse().unwrap()).unwrap();
    site.kernel.sysctl("net.mptcp.enabled", "0");
    let serving = serve_once(listener, source, file.bytes);
    let output = site.path("output");
    let mut command = site.mpdk("get");
    command.arg("http://10.79.1.1:8080/file").arg("--output").arg(&output).args(["--sha256", &file.sha256]);
    let mut download = Process::start(command.arg("--json"));
    let status = download.wait(DEADLINE);
    assert!(status.success(), "{status}\n{}", download.errors());
    serving.join().unwrap();
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
        assert!(read_head(stream).starts_with("HTTP/1.1 200"));
        assert_eq!(sha256_of(stream).unwrap(), file);
    }
    assert_clean(&site.kernel);
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
}

#[test]
fn a_server_survives_a_link_that_goes_and_comes() {
    if !is_root("a_server_survives_a_link_that_goes_and_comes") {
        return;
    }
    let site = Site::new("flap");
    let file = RandomFile::write(&site.path("file"), 4 * TRANSFER_BYTES, 8);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    wait_until("the second subflow", DEADLINE, || mptcp_info(&stream).unwrap().subflows == 1);
    request(&mut stream, "/file");
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    let reader = std::thread::spawn(move || sha256_of(&mut stream).unwrap());
    let carried = || LinkBytes::of(&site.kernel, LINKS[1]).received;
    wait_until("the second link to carry", DEADLINE, || carried() > 1 << 20);
    site.kernel.ip(&["link", "set", LINKS[1], "down"]);
    let before = LinkBytes::of(&site.kernel, LINKS[0]).received;
    wait_until("the first link to go on", DEADLINE, || {
        LinkBytes::of(&site.kernel, LINKS[0]).received > before + (4 << 20)
    });
    site.kernel.ip(&["link", "set", LINKS[1], "up"]);
    assert_eq!(reader.join().unwrap(), file);
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
