//! A request, a response, one at a time; both sides ask the kernel again and
//! again instead of sleeping, so that nobody pays for a wake-up.

use crate::arguments::Arguments;
use crate::measuring::{Phase, Stopwatch};
use crate::socket;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Answers each request of one connection, until that ends.
pub fn echo(arguments: &Arguments) -> Result<String> {
    let listener = socket::listen(arguments.address, arguments.protocol)?;
    let (mut stream, _) = listener.accept()?;
    prepare(&stream)?;
    let mut message = vec![0; arguments.bytes];
    let mut answered = 0u64;
    while receive(&mut stream, &mut message)? {
        send(&mut stream, &message)?;
        answered += 1;
    }
    Ok(format!("{{\"figure\":\"echo\",\"answered\":{answered}}}"))
}

/// Asks and waits; the times from before the request to after the response.
pub fn request(arguments: &Arguments) -> Result<String> {
    let mut stream = socket::connect(arguments.address, arguments.protocol)?;
    prepare(&stream)?;
    let mut message = vec![0x5a; arguments.bytes];
    let mut times_ns: Vec<u32> = Vec::with_capacity(1 << 22);
    let mut stopwatch = Stopwatch::start(&arguments.window());
    loop {
        let phase = stopwatch.phase();
        if phase == Phase::Over {
            break;
        }
        let start = Instant::now();
        send(&mut stream, &message)?;
        if !receive(&mut stream, &mut message)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let time_ns = start.elapsed().as_nanos();
        if phase == Phase::Counting {
            times_ns.push(u32::try_from(time_ns).unwrap_or(u32::MAX));
        }
    }
    Ok(report(&mut times_ns, stopwatch.seconds()))
}

fn prepare(stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)
}

/// Reads a whole message. `false`: the connection has ended.
fn receive(stream: &mut TcpStream, message: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while filled < message.len() {
        match stream.read(&mut message[filled..]) {
            Ok(0) => return Ok(false),
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn send(stream: &mut TcpStream, mut message: &[u8]) -> Result<()> {
    while !message.is_empty() {
        match stream.write(message) {
            Ok(bytes) => message = &message[bytes..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn report(times_ns: &mut [u32], seconds: f64) -> String {
    times_ns.sort_unstable();
    let at = |share: f64| {
        let rank = (times_ns.len() as f64 * share).ceil() as usize;
        times_ns.get(rank.max(1) - 1).copied().unwrap_or(0)
    };
    let rate = if seconds > 0.0 { times_ns.len() as f64 / seconds } else { 0.0 };
    format!(
        "{{\"figure\":\"rr\",\"transactions_per_second\":{rate:.1},\"p50_ns\":{},\"p90_ns\":{},\"p99_ns\":{},\"p999_ns\":{}}}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_seen() {
        let mut times: Vec<u32> = (1..=1000).rev().collect();
        let report = report(&mut times, 2.0);
        assert!(report.contains("\"p50_ns\":500,\"p90_ns\":900,\"p99_ns\":990,\"p999_ns\":999"), "{report}");
        assert!(report.contains("\"transactions_per_second\":500.0"), "{report}");
    }

    #[test]
    fn nothing_measured_is_reported_as_nothing() {
        assert!(super::report(&mut [], 0.0).contains("\"p50_ns\":0"));
    }
}
