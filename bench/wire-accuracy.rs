//! How exact `mpdk wire` is, and how fast: measured from both of its ends, over
//! vhost. `bench/wire-accuracy` builds and runs it.
//!
//! One-way times are from handing a frame to one virtqueue to finding it in the
//! other: what the way takes with no delay asked for is shown first, and is part
//! of every other line. Exit code 1 if a median or a rate is further off than
//! the emulator promises.

use mpdk::base::{HeapPacket, Packet, Payload, PortIndex, TransmitFrame, TransmitOffload};
use mpdk::device::Device;
use mpdk::dpdk::{DpdkDevice, Eal, EalConfig, Pool, PoolConfig, Port, PortConfig};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What the emulator promises.
const DELAY_ERROR_US: f64 = 50.0;
const RATE_ERROR: f64 = 0.02;
/// Where a frame's time of departure stands.
const STAMP: std::ops::Range<usize> = 16..24;
const PATIENCE: Duration = Duration::from_secs(20);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The emulator, ended when dropped.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both ends of the link.
struct Ends {
    control: PathBuf,
    sender: DpdkDevice,
    receiver: DpdkDevice,
    burst: Vec<(<DpdkDevice as Device>::Packet, mpdk::base::ReceiveMeta)>,
    start: Instant,
    frame: Vec<u8>,
    /// What was off by more than promised.
    failures: u32,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("usage: wire-accuracy MPDK [spin_us]")?;
    let spin_us: u32 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let _emulator = start_emulator(&program, folder.path(), spin_us)?;
    let mut ends = Ends::connect(folder.path())?;
    println!("one-way times, 1 frame each 250 us, in us over the delay asked for (spin_us = {spin_us})");
    println!("{:>10} {:>8} {:>8} {:>8} {:>8} {:>8}", "delay_us", "min", "median", "p90", "p99", "max");
    for delay_us in [0, 100, 1_000, 10_000, 50_000] {
        ends.measure_delay(delay_us, Duration::from_micros(250), 2_000)?;
    }
    println!("the same, 1 frame each 5 ms");
    for delay_us in [0, 1_000, 10_000] {
        ends.measure_delay(delay_us, Duration::from_millis(5), 200)?;
    }
    println!("rates, 1250 bytes a frame, offered more than passes");
    println!("{:>10} {:>12} {:>8}", "rate_mbit", "measured", "error");
    for rate_mbit in [1, 10, 100, 1_000, 2_000] {
        ends.measure_rate(rate_mbit)?;
    }
    println!("forwarding, no limit");
    println!("{:>10} {:>8} {:>10} {:>8}", "bytes", "Mpps", "Gbit/s", "lost");
    for bytes in [60, 512, 1_514] {
        ends.measure_forwarding(bytes)?;
    }
    if ends.failures > 0 {
        return Err(format!("{} measurements are further off than promised", ends.failures).into());
    }
    Ok(())
}

fn start_emulator(program: &str, folder: &Path, spin_us: u32) -> Result<Emulator> {
    let file = folder.join("wire.toml");
    let path = folder.display();
    std::fs::write(
        &file,
        format!(
            "[wire]\ncontrol = \"{path}/control\"\nspin_us = {spin_us}\n[eal]\nmemory_mb = 256\n\
             [[link]]\nname = \"link\"\na = {{ device = \"net_vhost0,iface={path}/a\" }}\n\
             b = {{ device = \"net_vhost1,iface={path}/b\" }}\n"
        ),
    )?;
    let emulator = Command::new(program).args(["--log", "error", "wire", "--config"]).arg(&file).spawn()?;
    let emulator = Emulator(emulator);
    let start = Instant::now();
    // It answers once both ports are up.
    while ask(&folder.join("control"), "{\"verb\":\"show\"}").is_err() {
        if start.elapsed() > PATIENCE {
            return Err("the emulator does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(emulator)
}

fn ask(control: &Path, request: &str) -> Result<String> {
    let mut stream = UnixStream::connect(control)?;
    writeln!(stream, "{request}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.starts_with("{\"ok\":true") || answer.contains("\"ok\":true") {
        Ok(answer)
    } else {
        Err(answer.into())
    }
}

impl Ends {
    fn connect(folder: &Path) -> Result<Self> {
        let eal = Eal::start(&EalConfig {
            memory_mb: 256,
            file_prefix: "accuracy".into(),
            ..EalConfig::default()
        })?;
        let receive = Pool::new(&eal, &PoolConfig::receive("receive", 8_192))?;
        let transmit = Pool::new(&eal, &PoolConfig::transmit("transmit", 8_192))?;
        let open = |number: u8, name: &str| -> Result<DpdkDevice> {
            let device = format!("net_virtio_user{number},path={}/{name},queue_size=1024", folder.display());
            let (_, mut queues) =
                Port::open(&eal, &device.parse()?, &PortConfig::default(), &receive, &transmit)?;
            queues.pop().ok_or_else(|| "no queue".into())
        };
        let (sender, receiver) = (open(0, "a")?, open(1, "b")?);
        let mut frame = vec![0; 1_514];
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
        let control = folder.join("control");
        let (burst, start) = (Vec::new(), Instant::now());
        let mut ends = Self { control, sender, receiver, burst, start, frame, failures: 0 };
        ends.wait_for_link()?;
        Ok(ends)
    }

    fn wait_for_link(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.sender.link_up();
            self.receiver.link_up();
            self.send(60);
            self.sender.flush();
            std::thread::sleep(Duration::from_millis(20));
            let mut got = 0;
            self.receive(&mut |_, _| got += 1);
            if got > 0 {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err("no frame comes through".into());
            }
        }
    }

    fn set(&mut self, settings: &str) -> Result<()> {
        // What is under way belongs to the measurement before.
        self.drain();
        let request = format!("{{\"verb\":\"set\",\"link\":\"link\",\"settings\":{{{settings}}}}}");
        ask(&self.control, &request).map(drop)
    }

    fn drain(&mut self) {
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(100) {
            let mut got = false;
            self.receive(&mut |_, _| got = true);
            if got {
                quiet = Instant::now();
            }
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Queues a frame that says when it left.
    fn send(&mut self, bytes: usize) -> bool {
        let now = self.now();
        self.frame[STAMP].copy_from_slice(&now.to_be_bytes());
        let payload = Payload::<HeapPacket>::EMPTY;
        let offload = TransmitOffload::default();
        let frame = TransmitFrame { port: PortIndex(0), header: &self.frame[..bytes], payload, offload };
        self.sender.room() > 0 && self.sender.transmit(frame).is_ok()
    }

    /// Calls `got` with the time and the bytes of each frame that has come.
    fn receive(&mut self, got: &mut impl FnMut(u64, &[u8])) {
        self.receiver.receive(&mut self.burst);
        if self.burst.is_empty() {
            return;
        }
        let now = self.start.elapsed().as_nanos() as u64;
        for (packet, _) in self.burst.drain(..) {
            got(now, packet.head());
        }
    }

    fn measure_delay(&mut self, delay_us: u64, gap: Duration, frames: usize) -> Result<()> {
        self.set(&format!("\"delay_us\":{delay_us},\"rate_mbit\":0,\"queue_packets\":1000"))?;
        let mut errors = Vec::with_capacity(frames);
        let (mut sent, mut next) = (0, Instant::now());
        let deadline = Instant::now() + gap * frames as u32 + PATIENCE;
        while errors.len() < frames && Instant::now() < deadline {
            if sent < frames && Instant::now() >= next {
                sent += usize::from(self.send(60));
                self.sender.flush();
                next += gap;
            }
            self.receive(&mut |now, bytes| {
                let stamp = u64::from_be_bytes(bytes[STAMP].try_into().unwrap_or_default());
                errors.push((now as f64 - stamp as f64) / 1e3 - delay_us as f64);
            });
        }
        errors.sort_by(f64::total_cmp);
        let at = |share: f64| errors.get((errors.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
        let max = errors.last().copied().unwrap_or(f64::NAN);
        println!(
            "{delay_us:>10} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {max:>8.1}",
            at(0.0),
            at(0.5),
            at(0.9),
            at(0.99)
        );
        if at(0.0) < 0.0 || at(0.5).is_nan() || at(0.5) > DELAY_ERROR_US {
            self.failures += 1;
        }
        Ok(())
    }

    fn measure_rate(&mut self, rate_mbit: u64) -> Result<()> {
        self.set(&format!("\"delay_us\":0,\"rate_mbit\":{rate_mbit},\"queue_packets\":100"))?;
        let (mut first, mut last, mut bytes) = (0, 0, 0_u64);
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            while self.send(1_250) {}
            self.sender.flush();
            self.receive(&mut |now, frame| {
                if first == 0 {
                    first = now;
                } else {
                    bytes += frame.len() as u64;
                    last = now;
                }
            });
        }
        let measured = bytes as f64 * 8e3 / (last - first) as f64;
        let error = measured / rate_mbit as f64 - 1.0;
        println!("{rate_mbit:>10} {measured:>12.3} {:>7.2}%", error * 100.0);
        if error.abs() > RATE_ERROR {
            self.failures += 1;
        }
        Ok(())
    }

    fn measure_forwarding(&mut self, bytes: usize) -> Result<()> {
        self.set("\"delay_us\":0,\"rate_mbit\":0,\"queue_packets\":1000")?;
        let before = self.sender.statistics().transmitted_frames;
        let start = Instant::now();
        let mut got = 0_u64;
        while start.elapsed() < Duration::from_millis(1_500) {
            for _ in 0..64 {
                if !self.send(bytes) {
                    break;
                }
            }
            self.sender.flush();
            self.receive(&mut |_, _| got += 1);
        }
        let seconds = start.elapsed().as_secs_f64();
        let passed = got;
        let end = Instant::now() + Duration::from_millis(200);
        while Instant::now() < end {
            self.sender.flush();
            self.receive(&mut |_, _| got += 1);
        }
        let sent = self.sender.statistics().transmitted_frames - before;
        let mpps = passed as f64 / seconds / 1e6;
        let lost = 1.0 - got as f64 / sent as f64;
        println!("{bytes:>10} {mpps:>8.2} {:>10.2} {:>7.2}%", mpps * bytes as f64 * 8.0 / 1e3, lost * 100.0);
        Ok(())
    }
}
