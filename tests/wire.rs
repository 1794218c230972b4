//! The link emulator as a person meets it: `mpdk wire` with the kernel or an
//! endpoint at its ends.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;
mod support;

use dpdk_support::frames::{receive, send_pieces};
use dpdk_support::ping::Ping;
use mpdk::base::{ChecksumState, HeapPacket, TransmitOffload};
use mpdk::device::Device;
use mpdk::dpdk::{OffloadRequest, PortConfig};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::{DEADLINE, Namespace, Process, adopt_tap, is_root, program, wait_for, wait_until};

/// An emulator's file in a folder of its own, with the sockets.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A file with these links; SOCKETS stands for the folder.
    fn new(links: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sockets = folder.path().to_str().unwrap().to_owned();
        let text = format!(
            "[wire]\ncontrol = \"SOCKETS/control\"\npacket_buffers = 16384\n[eal]\nmemory_mb = 128\n{links}"
        );
        std::fs::write(folder.path().join("wire.toml"), text.replace("SOCKETS", &sockets)).unwrap();
        Self { folder }
    }

    /// Two vhost ports: neither root nor anybody at the other ends is needed.
    fn vhost() -> Self {
        Self::new(
            "[[link]]\nname = \"left\"\na = { device = \"net_vhost0,iface=SOCKETS/a\" }\n\
             b = { device = \"net_vhost1,iface=SOCKETS/b\" }\n",
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The emulator, running.
    #[track_caller]
    fn start(&self) -> Process {
        let mut process = Process::start(
            Command::new(program("mpdk")).args(["wire", "--config"]).arg(self.path("wire.toml")),
        );
        process.wait_for_text("the emulator runs", DEADLINE);
        process
    }

    /// `mpdk wire VERB --config FILE ARGUMENTS`.
    fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("mpdk"));
        command.args(["wire", verb, "--config"]).arg(self.path("wire.toml")).args(arguments);
        command.output().unwrap()
    }

    #[track_caller]
    fn set(&self, settings: &[&str]) {
        let output = self.run("set", &[&["left"], settings].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }

    #[track_caller]
    fn show(&self) -> Value {
        let output = self.run("show", &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Frames of one of the counts of the link's direction.
    #[track_caller]
    fn frames(&self, direction: &str, count: &str) -> u64 {
        self.show()[0][direction]["counts"][count]["frames"].as_u64().unwrap()
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path("control")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Says a line and reads the answer.
    #[track_caller]
    fn say(&self, line: &[u8]) -> Value {
        let mut stream = self.connect();
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
        answer(&mut BufReader::new(stream))
    }
}

fn answer(reader: &mut impl BufRead) -> Value {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Ends it as a person does, and sees that nothing is left.
#[track_caller]
fn end(mut emulator: Process, files: &Files) {
    let status = emulator.terminate(DEADLINE);
    assert_eq!(status.code(), Some(0), "{}", emulator.errors());
    assert!(emulator.errors().contains("ending"), "{}", emulator.errors());
    let left: Vec<_> = std::fs::read_dir(files.folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 1, "only the file is left: {left:?}");
}

#[test]
fn a_running_emulator_is_changed_and_shown() {
    let files = Files::vhost();
    let emulator = files.start();
    assert_eq!(files.path("control").metadata().unwrap().mode() & 0o777, 0o600);
    files.set(&["delay_us=1500", "a_to_b.loss=0.25", "b_to_a.up=false"]);
    let link = &files.show()[0];
    assert_eq!(link["name"], "left");
    let settings = |direction: &str| link[direction]["settings"].clone();
    assert_eq!(
        (settings("a_to_b")["delay_us"].as_f64(), settings("a_to_b")["loss"].as_f64()),
        (Some(1500.0), Some(0.25))
    );
    assert_eq!(
        (settings("b_to_a")["delay_us"].as_f64(), &settings("b_to_a")["up"]),
        (Some(1500.0), &json!(false))
    );
    assert_eq!(link["a_to_b"]["counts"]["received"], json!({ "frames": 0, "bytes": 0 }));
    let shown = files.run("show", &[]);
    let shown = text(&shown.stdout);
    for expected in
        ["link left: net_vhost0,iface=", "(down)", "a_to_b: delay_us=1500 loss=0.25", "received 0 (0 bytes)"]
    {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    end(emulator, &files);
}

#[test]
fn a_wrong_setting_changes_nothing_and_says_why() {
    let files = Files::vhost();
    let emulator = files.start();
    for (arguments, expected) in [
        (&["left", "delay_us=5", "loss=7"][..], "loss: 7 is out of range: from 0 to 1"),
        (&["left", "delya_us=5"], "unknown key: did you mean \"delay_us\"?"),
        (&["right", "delay_us=5"], "there is no link \"right\", only left"),
        (&["left", "reorder=0.5"], "needs reorder_delay_us"),
    ] {
        let output = files.run("set", arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    // What the command line itself cannot be.
    assert_eq!(files.run("set", &["left", "delay_us=soon"]).status.code(), Some(2));
    assert_eq!(files.run("set", &["left"]).status.code(), Some(2));
    assert_eq!(files.show()[0]["a_to_b"]["settings"]["delay_us"], 0.0);
    end(emulator, &files);
}

#[test]
fn nothing_said_at_the_socket_ends_the_emulator() {
    let files = Files::vhost();
    let mut emulator = files.start();
    for line in [&b"nonsense"[..], b"", b"\0\xff\xfe", b"{\"verb\":\"stop\"}", b"[[[[[[[["] {
        let answer = files.say(line);
        assert_eq!(answer["ok"], false);
        assert!(answer["error"].as_str().unwrap().starts_with("no request: "), "{answer}");
    }
    let nested = vec![b'['; 16_000];
    assert_eq!(files.say(&nested)["ok"], false);
    // Longer than a request may be: refused before it ends.
    let mut stream = files.connect();
    let _ = stream.write_all(&vec![b'x'; 20_000]);
    assert_eq!(answer(&mut BufReader::new(stream))["error"], "a request has at most 16384 bytes");
    // An unfinished one, and one that nobody waits for.
    drop(files.connect().write_all(b"{\"verb\""));
    drop(files.connect().write_all(b"{\"verb\":\"show\"}\n"));
    // Several in one connection, good ones behind bad ones.
    let mut stream = files.connect();
    stream.write_all(b"?\n{\"verb\":\"show\"}\n").unwrap();
    let mut reader = BufReader::new(stream);
    assert_eq!(answer(&mut reader)["ok"], false);
    assert_eq!(answer(&mut reader)["ok"], true);
    drop(reader);
    // More connections than it takes: the others are told so.
    let refused = {
        let open: Vec<_> = (0..40).map(|_| files.connect()).collect();
        for stream in &open {
            stream.set_nonblocking(true).unwrap();
        }
        wait_for("a refusal", DEADLINE, || {
            open.iter().find_map(|mut stream| {
                let mut line = [0; 200];
                let len = stream.read(&mut line).ok().filter(|len| *len > 0)?;
                Some(String::from_utf8_lossy(&line[..len]).into_owned())
            })
        })
    };
    assert!(refused.contains("16 connections are open"), "{refused}");
    wait_until("places to be free again", DEADLINE, || files.run("show", &[]).status.success());
    assert!(emulator.is_running());
    end(emulator, &files);
}

#[test]
fn what_cannot_start_says_why() {
    let files = Files::vhost();
    let start = || {
        let mut command = Command::new(program("mpdk"));
        command.args(["wire", "--config"]).arg(files.path("wire.toml")).output().unwrap()
    };
    let nobody = files.run("show", &[]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("no emulator answers at"), "{}", text(&nobody.stderr));
    // One that is killed leaves its sockets; the next one takes them over.
    let killed = files.start();
    drop(killed);
    assert!(files.path("control").exists());
    let emulator = files.start();
    let second = start();
    assert_eq!(second.status.code(), Some(7));
    assert!(text(&second.stderr).contains("another emulator listens there"), "{}", text(&second.stderr));
    end(emulator, &files);
    // A port that cannot be opened: the control socket does not stay.
    let taken = std::os::unix::net::UnixListener::bind(files.path("a")).unwrap();
    let failed = start();
    assert_eq!(failed.status.code(), Some(7));
    assert!(text(&failed.stderr).contains("the emulator could not be started"), "{}", text(&failed.stderr));
    assert!(!files.path("control").exists());
    drop(taken);
}

#[test]
fn mistakes_in_the_file_are_told_with_their_lines() {
    let files = Files::new("[[link]]\nname = \"left\"\na_to_b = { delay = 3 }\n");
    for output in [files.run("check", &[]), files.run("show", &[])] {
        assert_eq!(output.status.code(), Some(6));
        let told = text(&output.stderr);
        assert!(told.contains("wire.toml:6: link.a: is missing"), "{told}");
        assert!(told.contains("wire.toml:8: link.a_to_b.delay: unknown key"), "{told}");
        assert!(told.ends_with("3 problems\n"), "{told}");
    }
    let output = Files::vhost().run("check", &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(
        text(&output.stdout).contains("link left, mtu 1500: net_vhost0,iface="),
        "{}",
        text(&output.stdout)
    );
}

/// Two namespaces with a TAP each, joined by an emulator.
struct World {
    left: Namespace,
    right: Namespace,
    files: Files,
    emulator: Process,
    devices: [String; 2],
}

const RIGHT: [u8; 4] = [10, 78, 0, 2];

impl World {
    fn new(letter: char) -> Self {
        let devices = ["a", "b"].map(|side| format!("mw{letter}{side}{}", std::process::id()));
        let [a, b] = &devices;
        let files = Files::new(&format!(
            "[[link]]\nname = \"left\"\na = {{ device = \"net_tap0,iface={a}\" }}\n\
             b = {{ device = \"net_tap1,iface={b}\" }}\n"
        ));
        let [left, right] = ["wire-left", "wire-right"].map(Namespace::new);
        let emulator = files.start();
        adopt_tap(&left, a, "10.78.0.1/24");
        adopt_tap(&right, b, "10.78.0.2/24");
        let world = Self { left, right, files, emulator, devices };
        world.wait_for_ping();
        world
    }

    /// One echo request; its round trip, or nothing if it does not come back in
    /// time.
    fn ping(&self, patience: Duration) -> Option<Duration> {
        self.left.enter(|| {
            let ping = Ping::new(RIGHT);
            let start = Instant::now();
            ping.round_trip_within(1, b"are you there?", patience).then(|| start.elapsed())
        })
    }

    #[track_caller]
    fn wait_for_ping(&self) {
        wait_for("a ping to come back", DEADLINE, || self.ping(Duration::from_millis(500)));
    }

    #[track_caller]
    fn end(self) {
        end(self.emulator, &self.files);
        // A TAP goes with the process that made it, wherever it was moved.
        for (namespace, device) in [(&self.left, &self.devices[0]), (&self.right, &self.devices[1])] {
            wait_until("the TAP to go", DEADLINE, || {
                !namespace.ip(&["link", "show"]).contains(device.as_str())
            });
        }
    }
}

#[test]
fn pings_between_two_kernels_take_the_delay() {
    if !is_root("pings_between_two_kernels_take_the_delay") {
        return;
    }
    let world = World::new('d');
    for delay_us in [20_000, 3_000] {
        world.files.set(&[&format!("delay_us={delay_us}")]);
        let round_trip = Duration::from_micros(2 * delay_us);
        // What is late is the machine's doing; nothing is early.
        wait_for("a ping that takes the delay and little more", DEADLINE, || {
            let took = world.ping(DEADLINE).unwrap();
            assert!(took >= round_trip, "{took:?} with a delay of {delay_us} us each way");
            (took < round_trip + Duration::from_millis(2)).then_some(())
        });
    }
    world.end();
}

#[test]
fn a_link_goes_down_and_up_by_command() {
    if !is_root("a_link_goes_down_and_up_by_command") {
        return;
    }
    let world = World::new('u');
    world.files.set(&["up=false"]);
    assert_eq!(world.ping(Duration::from_millis(300)), None);
    wait_until("frames to be lost", DEADLINE, || world.files.frames("a_to_b", "down_dropped") > 0);
    // One way only: the request arrives, its answer does not.
    let before = world.files.frames("a_to_b", "sent");
    world.files.set(&["a_to_b.up=true"]);
    assert_eq!(world.ping(Duration::from_millis(300)), None);
    assert!(world.files.frames("a_to_b", "sent") > before);
    world.files.set(&["up=true"]);
    world.wait_for_ping();
    world.end();
}

/// Sends so many bytes from left to right by TCP; how long they took.
fn transfer(world: &World, bytes: usize) -> Duration {
    let listener = world.right.enter(|| TcpListener::bind("10.78.0.2:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let mut sender = world.left.enter(|| TcpStream::connect(("10.78.0.2", port)).unwrap());
    let (mut receiver, _) = listener.accept().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.write_all(&vec![7; bytes]).unwrap());
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).unwrap();
        assert!(got.len() == bytes && got.iter().all(|byte| *byte == 7), "{} bytes", got.len());
    });
    start.elapsed()
}

#[test]
fn tcp_is_held_to_the_rate() {
    if !is_root("tcp_is_held_to_the_rate") {
        return;
    }
    let world = World::new('r');
    world.files.set(&["rate_mbit=20", "delay_us=1000", "queue_packets=200"]);
    // 2.5 MB at 20 Mbit/s are a second, without headers.
    let least = Duration::from_secs(1);
    wait_for("a transfer at the rate", DEADLINE, || {
        let took = transfer(&world, 2_500_000);
        assert!(took >= least, "faster than the link: {took:?}");
        (took < least.mul_f64(1.3)).then_some(())
    });
    // With losses and copies it is slower and still whole.
    world.files.set(&["rate_mbit=0", "loss=0.01", "duplicate=0.01", "reorder=0.01", "reorder_delay_us=500"]);
    transfer(&world, 2_500_000);
    for count in ["lost", "duplicated", "reordered"] {
        assert!(world.files.frames("a_to_b", count) > 0, "{count}");
    }
    assert_eq!(world.files.frames("a_to_b", "overflowed"), 0);
    world.end();
}

/// An endpoint's file: a virtio-user port at the emulator's `socket`.
fn endpoint(files: &Files, name: &str, socket: &str, host: u8) -> PathBuf {
    let path = files.path(socket);
    let text = format!(
        "[eal]\nmemory_mb = 256\n[engine]\ntransmit_arena_mb = 16\nreceive_arena_mb = 16\npacket_buffers = 8192\n\
         [[port]]\nname = \"wire\"\naddresses = [\"10.78.0.{host}/24\"]\n\
         device = \"net_virtio_user0,path={},queue_size=1024\"\n",
        path.display()
    );
    let folder = files.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mpdk.toml"), text).unwrap();
    std::fs::write(folder.join("file"), vec![b'm'; 3_000_000]).unwrap();
    folder
}

/// `mpdk serve` of a folder, running.
fn serve(folder: &std::path::Path) -> Process {
    let mut command = Command::new(program("mpdk"));
    command.arg("serve").arg("--config").arg(folder.join("mpdk.toml")).arg("--root").arg(folder);
    let mut server = Process::start(&mut command);
    server.wait_for_text("serving", DEADLINE);
    server
}

#[test]
fn two_endpoints_exchange_a_file_over_vhost() {
    let files = Files::vhost();
    let emulator = files.start();
    files.set(&["rate_mbit=1000", "delay_us=500", "b_to_a.loss=0.001"]);
    let server_folder = endpoint(&files, "server", "a", 2);
    let client_folder = endpoint(&files, "client", "b", 1);
    let mut server = serve(&server_folder);
    let got = client_folder.join("got");
    let mut client = Command::new(program("mpdk"));
    client.arg("get").arg("--config").arg(client_folder.join("mpdk.toml"));
    Process::start(client.arg("http://10.78.0.2/file").arg("-o").arg(&got)).success(DEADLINE);
    assert!(std::fs::read(&got).unwrap() == std::fs::read(server_folder.join("file")).unwrap());
    assert!(files.frames("a_to_b", "sent") > 2_000);
    assert!(server.terminate(DEADLINE).success());
    std::fs::remove_dir_all(server_folder).unwrap();
    std::fs::remove_dir_all(client_folder).unwrap();
    end(emulator, &files);
}

/// `mpdk bench VERB` over two ports at the emulator's sockets of a side.
fn bench(files: &Files, verb: &str, side: &str, host: u8) -> Command {
    let port = |link: u8| {
        let socket = files.path(&format!("{side}{link}"));
        format!(
            "[[port]]\nname = \"link{link}\"\naddresses = [\"10.78.{link}.{host}/24\"]\nmtu = 9000\n\
             device = \"net_virtio_user{link},path={},queue_size=1024\"\n",
            socket.display()
        )
    };
    let arenas = "transmit_arena_mb = 16\nreceive_arena_mb = 16\n";
    let text = format!("[eal]\nmemory_mb = 256\n[engine]\n{arenas}{}{}", port(0), port(1));
    let folder = files.path(verb);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mpdk.toml"), text).unwrap();
    let mut command = Command::new(program("mpdk"));
    command.args(["--log", "info,mpdk::cli=debug,dpdk=off", "bench", verb, "--config"]);
    command.arg(folder.join("mpdk.toml"));
    command
}

#[test]
fn a_sender_in_front_of_slow_links_has_buffers_for_every_frame() {
    let link = |link: u8, delay_us: u32| {
        let direction = format!("{{ rate_mbit = 1000, delay_us = {delay_us}, queue_packets = 600 }}");
        format!(
            "[[link]]\nname = \"link{link}\"\nmtu = 9000\na_to_b = {direction}\nb_to_a = {direction}\n\
             a = {{ device = \"net_vhost{},iface=SOCKETS/a{link}\" }}\n\
             b = {{ device = \"net_vhost{},iface=SOCKETS/b{link}\" }}\n",
            2 * link,
            2 * link + 1
        )
    };
    let files = Files::new(&format!("{}{}", link(0, 100), link(1, 2_500)));
    let emulator = files.start();
    let mut sink = Process::start(bench(&files, "sink", "b", 2).args(["--listen", "0.0.0.0:5001"]));
    sink.wait_for_text("listening", DEADLINE);
    let mut command = bench(&files, "source", "a", 1);
    let mut source = Process::start(command.args(["--seconds", "2", "10.78.0.2:5001"]));
    assert!(source.wait(DEADLINE).success(), "{}", source.errors());
    // The counts at its end: what was dropped for want of a buffer looks like a full link to TCP.
    let said = source.errors();
    assert!(said.contains("FrameReceived count=") && !said.contains("PacketPoolEmpty"), "{said}");
    assert!(sink.terminate(DEADLINE).success());
    for verb in ["sink", "source"] {
        std::fs::remove_dir_all(files.path(verb)).unwrap();
    }
    end(emulator, &files);
}

/// A kernel fetches the endpoint's file and finds every checksum right.
#[track_caller]
fn fetch_by_kernel(kernel: &Namespace, files: &Files) {
    let folder = endpoint(files, "server", "a", 2);
    let mut server = serve(&folder);
    let got = kernel.enter(|| {
        let mut stream = TcpStream::connect("10.78.0.2:80").unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    });
    assert!(got.starts_with(b"HTTP/1.1 200") && got.ends_with(b"mmm") && got.len() > 3_000_000);
    let statistics = support::run(kernel.command("nstat").args(["-a", "-z", "-s", "TcpInCsumErrors"]));
    let errors = statistics.lines().find(|line| line.starts_with("TcpInCsumErrors")).unwrap();
    assert_eq!(errors.split_whitespace().nth(1), Some("0"), "{errors}");
    assert!(server.terminate(DEADLINE).success());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn checksums_left_to_virtio_are_finished_by_a_port_that_can() {
    if !is_root("checksums_left_to_virtio_are_finished_by_a_port_that_can") {
        return;
    }
    // The endpoint leaves its checksums to its port, which passes the task on;
    // the TAP behind the emulator is the one that has to do it.
    let device = format!("mwk{}", std::process::id());
    let files = Files::new(&format!(
        "[[link]]\nname = \"left\"\na = {{ device = \"net_vhost0,iface=SOCKETS/a\" }}\n\
         b = {{ device = \"net_tap0,iface={device}\" }}\n"
    ));
    let kernel = Namespace::new("wire-kernel");
    let emulator = files.start();
    adopt_tap(&kernel, &device, "10.78.0.1/24");
    fetch_by_kernel(&kernel, &files);
    end(emulator, &files);
}

#[test]
fn checksums_left_to_virtio_are_finished_for_a_port_that_cannot() {
    if !is_root("checksums_left_to_virtio_are_finished_for_a_port_that_cannot") {
        return;
    }
    let [kernel, middle] = ["wire-kernel", "wire-middle"].map(Namespace::new);
    support::veth_pair([&kernel, &middle], ["veth", "veth"], ["10.78.0.1/24", "10.78.1.1/24"]);
    // Otherwise the kernel leaves its own checksums to a card that is none.
    kernel.enter(|| switch_checksums_off("veth"));
    let files = Files::new(
        "[[link]]\nname = \"left\"\na = { device = \"net_vhost0,iface=SOCKETS/a\" }\n\
         b = { device = \"net_af_packet0,iface=veth\" }\n",
    );
    // Its file names a device of the namespace.
    let mut command = middle.command(program("mpdk").to_str().unwrap());
    let mut emulator = Process::start(command.args(["wire", "--config"]).arg(files.path("wire.toml")));
    emulator.wait_for_text("the emulator runs", DEADLINE);
    fetch_by_kernel(&kernel, &files);
    end(emulator, &files);
}

/// As `ethtool -K DEVICE tx off`.
fn switch_checksums_off(device: &str) {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    // `ETHTOOL_STXCSUM` with the value 0.
    let mut command: [u32; 2] = [0x17, 0];
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: all zeroes is a request without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = command.as_mut_ptr().cast();
    // SAFETY: the kernel reads the name and the command, which live.
    let result =
        unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), SIOCETHTOOL, &raw mut request) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// A TCP/IPv4 super-frame: header and payload.
fn super_frame(payload: u16) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0; 54];
    header[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    header[12..14].copy_from_slice(&[8, 0]);
    header[14..24].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
    header[16..18].copy_from_slice(&(40 + payload).to_be_bytes());
    header[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    header[46] = 5 << 4;
    (header, (0..payload).map(|at| (at % 251) as u8).collect())
}

#[test]
fn super_frames_pass_uncut_where_both_ports_can() {
    let files = Files::new(
        "[[link]]\nname = \"left\"\na = { device = \"net_vhost0,iface=SOCKETS/a,tso=1\" }\n\
         b = { device = \"net_vhost1,iface=SOCKETS/b,tso=1\" }\nsuper_frames = true\n",
    );
    let emulator = files.start();
    files.set(&["duplicate=1"]);
    let eal = dpdk_support::eal();
    let pools = dpdk_support::pools(&eal, "super");
    let offload = OffloadRequest { segmentation: true, large_receive: true, ..OffloadRequest::default() };
    let config = PortConfig { offload, ..PortConfig::default() };
    let open = |number: u8, socket: &str| {
        let path = files.path(socket);
        let device = format!("net_virtio_user{number},path={},queue_size=1024", path.display());
        dpdk_support::open(&eal, &device, &config, &pools)
    };
    let ((near_port, mut near), (far_port, mut far)) = (open(0, "a"), open(1, "b"));
    let (header, bytes) = super_frame(60_000);
    let pieces: Vec<HeapPacket> = bytes.chunks(1400).map(HeapPacket::new).collect();
    let offload = TransmitOffload {
        tcp_checksum: true,
        segment_bytes: 1400,
        l2_bytes: 14,
        l3_bytes: 20,
        l4_bytes: 20,
        ..TransmitOffload::default()
    };
    // The emulator sees only now and then that somebody has come.
    wait_until("both ports to be seen", DEADLINE, || {
        let link = &files.show()[0];
        link["a"]["link_up"] == true && link["b"]["link_up"] == true
    });
    send_pieces(&mut near, &header, &pieces, offload).unwrap();
    let mut got = Vec::new();
    wait_for("the super-frame and its copy", DEADLINE, || {
        near.link_up();
        near.flush();
        got.extend(receive(&mut far));
        (got.len() == 2).then_some(())
    });
    for (frame, meta) in got {
        assert_eq!((frame.len(), meta.l4_checksum), (60_054, ChecksumState::Good));
        assert!(frame[54..] == bytes);
    }
    assert_eq!(files.frames("a_to_b", "received"), 1);
    drop((near, far));
    near_port.close().unwrap();
    far_port.close().unwrap();
    end(emulator, &files);
}
