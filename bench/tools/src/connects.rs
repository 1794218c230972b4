//! Connections per second: connect, one byte each way, close.

use crate::arguments::Arguments;
use crate::measuring::Counted;
use crate::socket;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;

/// Answers a byte with a byte and closes first, so that the one that opens is
/// left without TIME_WAIT and keeps its ports.
pub fn accept(arguments: &Arguments) -> Result<String> {
    let listener = socket::listen(arguments.address, arguments.protocol)?;
    let mut byte = [0];
    loop {
        let (mut stream, _) = listener.accept()?;
        // A client that is gone is its own problem.
        if matches!(stream.read(&mut byte), Ok(1)) {
            let _ = stream.write(&byte);
        }
    }
}

/// Keeps `--parallel` connections under way: opens one, sends its byte, then
/// waits for the oldest to be answered and closed. Both cores are busy.
pub fn connect(arguments: &Arguments) -> Result<String> {
    let mut under_way = VecDeque::with_capacity(arguments.parallel);
    let mut counted = Counted::start(&arguments.window());
    let mut failed = 0u64;
    loop {
        while under_way.len() < arguments.parallel {
            let mut stream = socket::connect(arguments.address, arguments.protocol)?;
            stream.write_all(&[0x5a])?;
            under_way.push_back(stream);
        }
        let Some(oldest) = under_way.pop_front() else { continue };
        let whole = finish(oldest)?;
        failed += u64::from(!whole);
        if !counted.add(u64::from(whole)) {
            break;
        }
    }
    let seconds = counted.seconds();
    let rate = counted.total as f64 / seconds;
    Ok(format!(
        "{{\"figure\":\"cps\",\"connections_per_second\":{rate:.1},\"connections\":{},\"failed\":{failed},\"seconds\":{seconds:.6}}}",
        counted.total
    ))
}

/// The answer and the end. `false`: it came without the answer.
fn finish(mut stream: TcpStream) -> Result<bool> {
    let mut bytes = [0; 2];
    let mut got = 0;
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(got == 1),
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
