//! A stranger on each link sends frames of every kind, cut, changed and
//! stretched, while the kernel downloads: nothing panics, hangs, leaks or
//! harms the download.
//!
//! `MPDK_HOSTILE_SECONDS=60 cargo test --test hostile_frames -- --nocapture`
//! goes on for longer on each link and shows what came of it; `MPDK_SEED`
//! takes other frames.
#![cfg(feature = "dpdk")]

#[path = "hostile_frames/frames.rs"]
mod frames;
#[path = "hostile_frames/packet_socket.rs"]
mod packet_socket;
#[path = "hostile_frames/random.rs"]
mod random;
mod support;

use frames::Target;
use packet_socket::PacketSocket;
use random::Random;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{
    DEADLINE, LinkBytes, Process, RandomFile, Site, download, is_root, kernel_mptcp_connect, mptcp_info,
    wait_for,
};

const FILE_BYTES: u64 = 8 << 20;
const SECONDS: u64 = 3;

/// Frames between two questions whether the endpoint still answers.
const BURST: usize = 64;

/// After so long without an answer a question is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// What the server may have taken when it is over, beyond what it had.
const GROWTH_BYTES: u64 = 24 << 20;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A stranger on one link.
struct Stranger<'a> {
    socket: &'a PacketSocket,
    target: Target,
    random: Random,
    /// Frames of others, to change and to send again.
    seen: Vec<Vec<u8>>,
    sent: u64,
    /// Questions that had to be asked again.
    asked_again: u64,
}

impl Stranger<'_> {
    fn send_until(&mut self, end: Instant) {
        while Instant::now() < end {
            for _ in 0..BURST {
                let frame = self.target.hostile(&mut self.random, &self.seen);
                // The kernel refuses what is longer than the link carries.
                self.sent += u64::from(self.socket.send(&frame).is_ok());
            }
            self.ask();
        }
    }

    /// The endpoint has taken what was sent, and still answers.
    fn ask(&mut self) {
        let asker = [10, 79, self.target.link, 100 + self.random.below(100) as u8];
        let question = self.target.arp_request(asker);
        self.socket.send(&question).unwrap();
        let mut asked = Instant::now();
        wait_for("an answer to ARP", DEADLINE, || {
            // The downloads' frames never end, and the answer may be lost among them.
            while asked.elapsed() < AGAIN
                && let Some(frame) = self.socket.receive(Duration::from_millis(20))
            {
                if frame.len() >= 42
                    && frame[12..14] == [8, 6]
                    && frame[20..22] == [0, 2]
                    && frame[38..42] == asker
                {
                    return Some(());
                }
                self.note(frame);
            }
            // The link's queue may have been full.
            if asked.elapsed() >= AGAIN {
                self.socket.send(&question).unwrap();
                self.asked_again += 1;
                asked = Instant::now();
            }
            None
        });
    }

    fn note(&mut self, frame: Vec<u8>) {
        if self.seen.len() < 256 {
            self.seen.push(frame);
        } else if self.random.one_in(8) {
            let at = self.random.below(self.seen.len());
            self.seen[at] = frame;
        }
    }
}

/// Downloads, again and again, until told to stop; how often.
fn download_until(site: &Site, file: &RandomFile, stop: &AtomicBool, done: &AtomicU64) {
    for link in [1_u8, 2].into_iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let server = format!("10.79.{link}.2:5555").parse().unwrap();
        // Handshakes that nobody completes may fill the backlog for a while.
        let Ok(mut stream) = kernel_mptcp_connect(&site.kernel, None, server) else { continue };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        download(&mut stream, file);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn resident_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The endpoint's Ethernet address on a link.
fn mac_of(socket: &PacketSocket, link: u8) -> [u8; 6] {
    let asker = [10, 79, link, 99];
    let question = Target { mac: [0xff; 6], link }.arp_request(asker);
    wait_for("an answer to ARP", DEADLINE, || {
        socket.send(&question).unwrap();
        let answer = std::iter::from_fn(|| socket.receive(Duration::from_millis(50)))
            .find(|frame| frame.len() >= 42 && frame[12..14] == [8, 6] && frame[38..42] == asker)?;
        Some(answer[22..28].try_into().unwrap())
    })
}

#[test]
fn hostile_frames_harm_nobody() {
    if !is_root("hostile_frames_harm_nobody") {
        return;
    }
    let (seconds, seed) = (number("MPDK_HOSTILE_SECONDS", SECONDS), number("MPDK_SEED", 1));
    let site = Site::new("hostile");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 1);
    let mut server = site.serve(site.folder.path());
    // Memory is touched when it is first used.
    for _ in 0..16 {
        download(&mut site.connect(), &file);
    }
    let before = resident_bytes(&server);
    for (link, device) in (1_u8..).zip(Site::LINKS) {
        // Longer frames than the endpoint's port takes.
        site.kernel.ip(&["link", "set", device, "mtu", "9000"]);
        let socket = PacketSocket::open(&site.kernel, device).unwrap();
        let target = Target { mac: mac_of(&socket, link), link };
        let mut stranger = Stranger {
            socket: &socket,
            target,
            random: Random(seed << 8 | u64::from(link)),
            seen: Vec::new(),
            sent: 0,
            asked_again: 0,
        };
        let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let downloads = scope.spawn(|| download_until(&site, &file, &stop, &done));
            stranger.send_until(Instant::now() + Duration::from_secs(seconds));
            stop.store(true, Ordering::Relaxed);
            downloads.join().unwrap();
        });
        let (sent, again, done) = (stranger.sent, stranger.asked_again, done.into_inner());
        println!("{device}: {sent} frames in {seconds} s, {again} asked again, {done} downloads");
        assert!(server.is_running(), "{}", server.errors());
        assert!(done > 0, "no download came through");
    }

    // As if nothing had been.
    let carried = Site::LINKS.map(|link| LinkBytes::of(&site.kernel, link).received);
    let mut stream = site.connect();
    site.wait_for_join(&stream);
    download(&mut stream, &file);
    assert!(!mptcp_info(&stream).unwrap().fallback);
    for (link, before) in Site::LINKS.into_iter().zip(carried) {
        let carried = LinkBytes::of(&site.kernel, link).received - before;
        assert!(carried > FILE_BYTES / 20, "{link} carried {carried} bytes");
    }
    let after = resident_bytes(&server);
    println!("resident: {before} bytes before, {after} after");
    assert!(after < before + GROWTH_BYTES, "{before} bytes resident before, {after} after");
    assert!(server.terminate(DEADLINE).success(), "{}", server.errors());
    // What became of the frames.
    println!("{}", server.errors());
}
