//! The harness of the live tests, tried on the kernel's own MPTCP.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use support::{
    Capture, Counters, DEADLINE, KernelPair, LinkBytes, Namespace, Process, RandomFile, adopt_tap, is_root,
    kernel_mptcp_connect, kernel_mptcp_listener, mptcp_info, mptcp_sockets, run, sha256_of, subflows,
    wait_for, wait_until,
};

const PORT: u16 = 8080;
const TRANSFER_BYTES: u64 = 64 << 20;

/// Sends `file` from the server to whoever connects, and waits for the end.
fn serve_once(listener: std::net::TcpListener, path: std::path::PathBuf) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut go = [0];
        stream.read_exact(&mut go).expect("the client says when");
        std::io::copy(&mut std::fs::File::open(path).expect("the file"), &mut stream)
            .expect("a client that reads");
    })
}

fn has_joined(stream: &TcpStream) -> bool {
    mptcp_info(stream).expect("an MPTCP socket").subflows == 1
}

#[test]
fn the_kernel_talks_mptcp_to_itself_over_both_links() {
    if !is_root("the_kernel_talks_mptcp_to_itself_over_both_links") {
        return;
    }
    let pair = KernelPair::new("pair");
    KernelPair::LINKS.iter().for_each(|link| pair.set_rate(link, "400mbit"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = RandomFile::write(&path, TRANSFER_BYTES, 1);
    let address = pair.server_address(0, PORT);
    let server = serve_once(pair.listen(PORT), path);

    let mut stream = kernel_mptcp_connect(&pair.client, None, address).unwrap();
    wait_until("the second subflow", DEADLINE, || has_joined(&stream));
    assert_eq!(subflows(&pair.client).len(), 2);
    let socket = mptcp_sockets(&pair.client).into_iter().find(|socket| socket.state == "ESTAB").unwrap();
    assert_eq!(socket.remote, address.to_string());
    let token = format!("{:x}", mptcp_info(&stream).unwrap().token);
    assert_eq!(socket.fields.get("token").map(|text| text.trim_start_matches('0')), Some(token.as_str()));
    stream.write_all(b"!").unwrap();
    assert_eq!(sha256_of(&mut stream).unwrap(), file);
    server.join().unwrap();

    for link in KernelPair::LINKS {
        let carried = LinkBytes::of(&pair.client, link).received;
        assert!(carried > TRANSFER_BYTES / 20, "{link} carried {carried} bytes");
    }
    let (client, server) = (Counters::of(&pair.client), Counters::of(&pair.server));
    assert_eq!((client.get("MPTcpExtMPCapableSYNTX"), server.get("MPTcpExtMPCapableSYNRX")), (1, 1));
    assert_eq!((client.get("MPTcpExtMPJoinSynAckRx"), server.get("MPTcpExtMPJoinAckRx")), (1, 1));
    assert!(client.non_zero("MPTcpExtMPJoin").iter().any(|(name, _)| *name == "MPTcpExtMPJoinSynTx"));
    assert_eq!(client.non_zero("MPTcpExtMPCapableFallback"), []);
}

#[test]
fn a_captured_connection_has_no_errors_and_planted_ones_are_found() {
    if !is_root("a_captured_connection_has_no_errors_and_planted_ones_are_found") {
        return;
    }
    let pair = KernelPair::new("capture");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = RandomFile::write(&path, 100_000, 2);
    let capture = Capture::start(&pair.client, "link1", &folder.path().join("link1.pcap"));
    let address = pair.server_address(0, PORT);
    let server = serve_once(pair.listen(PORT), path);
    let mut stream = kernel_mptcp_connect(&pair.client, None, address).unwrap();
    stream.write_all(b"!").unwrap();
    assert_eq!(sha256_of(&mut stream).unwrap(), file);
    drop(stream);
    server.join().unwrap();

    let captured = folder.path().join("link1.pcap");
    wait_until("the captured FIN", DEADLINE, || Capture::count(&captured, "tcp.flags.fin == 1") > 0);
    assert_eq!(capture.finish(), captured);
    assert_eq!(Capture::errors(&captured), Vec::<String>::new());
    assert_eq!(Capture::count(&captured, "tcp.options.mptcp.subtype == 0 && tcp.flags.syn == 1"), 2);
    plant_bad_data_offset(&captured);
    let errors = Capture::errors(&captured);
    assert_eq!(errors.len(), 1, "{errors:?}");
}

/// Makes the first TCP header of a capture claim to be shorter than any is.
fn plant_bad_data_offset(file: &std::path::Path) {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    const ETHERNET_AND_IPV4: usize = 14 + 20;
    let mut bytes = std::fs::read(file).unwrap();
    let mut at = FILE_HEADER;
    loop {
        let frame = at + RECORD_HEADER;
        if bytes[frame + 12..frame + 14] == [8, 0] && bytes[frame + 14 + 9] == 6 {
            bytes[frame + ETHERNET_AND_IPV4 + 12] = 0x10;
            break std::fs::write(file, &bytes).unwrap();
        }
        let length: [u8; 4] = bytes[at + 8..at + 12].try_into().unwrap();
        at = frame + u32::from_le_bytes(length) as usize;
    }
}

#[test]
fn a_namespace_has_its_own_network_and_is_gone_afterwards() {
    if !is_root("a_namespace_has_its_own_network_and_is_gone_afterwards") {
        return;
    }
    let namespace = Namespace::new("own");
    namespace.sysctl("net.mptcp.enabled", "0");
    let read = || std::fs::read_to_string("/proc/sys/net/mptcp/enabled").unwrap();
    assert_eq!(namespace.enter(read).trim(), "0");
    let refused = kernel_mptcp_listener(&namespace, "127.0.0.1:0".parse().unwrap()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENOPROTOOPT));
    namespace.sysctl("net.mptcp.enabled", "1");
    kernel_mptcp_listener(&namespace, "[::1]:0".parse().unwrap()).unwrap();
    let name = namespace.name().to_owned();
    let names = || run(Command::new("ip").args(["netns", "list"]));
    assert!(names().contains(&name));
    drop(namespace);
    assert!(!names().contains(&name));
}

#[test]
fn a_tap_moves_into_a_namespace() {
    if !is_root("a_tap_moves_into_a_namespace") {
        return;
    }
    let namespace = Namespace::new("tap");
    let device = format!("tap{}", std::process::id());
    run(Command::new("ip").args(["tuntap", "add", "mode", "tap", "name", &device]));
    adopt_tap(&namespace, &device, "10.78.1.1/24");
    let shown = namespace.ip(&["address", "show", "dev", &device]);
    assert!(shown.contains("10.78.1.1/24"), "{shown}");
    namespace.ip(&["link", "delete", &device]);
}

#[test]
fn a_process_is_heard_and_ends_with_its_owner() {
    let mut talker = Process::start(Command::new("sh").args(["-c", "echo ready; exec sleep 1000"]));
    talker.wait_for_text("ready", DEADLINE);
    let id = talker.id();
    assert!(std::path::Path::new(&format!("/proc/{id}")).exists());
    drop(talker);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());

    let mut sleeper = Process::start(Command::new("sleep").arg("1000"));
    assert!(!sleeper.terminate(DEADLINE).success());
    assert_eq!(Process::start(Command::new("echo").arg("done")).success(DEADLINE), "done\n");
}

#[test]
#[should_panic(expected = "still waiting for the moon")]
fn waiting_has_an_end() {
    wait_for("the moon", Duration::from_millis(1), || None::<()>);
}

#[test]
fn a_file_has_the_digest_that_others_compute() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = RandomFile::write(&path, (3 << 20) + 5, 7);
    let shown = run(Command::new("sha256sum").arg(&path));
    assert_eq!(shown.split(' ').next(), Some(file.sha256.as_str()));
    assert_eq!(sha256_of(std::fs::File::open(&path).unwrap()).unwrap(), file);
    assert_ne!(RandomFile::write(&path, file.bytes, 8), file);
}
