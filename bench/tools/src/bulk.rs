//! One connection, as many bytes as go through.

use crate::arguments::Arguments;
use crate::measuring::Counted;
use crate::socket;
use std::io::{ErrorKind, Read, Result, Write};

const BLOCK_BYTES: usize = 256 << 10;

/// Reads one connection and counts. Keeps reading after its time, so that the
/// other side is not reset.
pub fn sink(arguments: &Arguments) -> Result<String> {
    // The kernel takes further subflows only as long as somebody listens.
    let listener = socket::listen(arguments.address, arguments.protocol)?;
    let (mut stream, _) = listener.accept()?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut counted = Counted::start(&arguments.window());
    loop {
        let bytes = stream.read(&mut block)?;
        if bytes == 0 {
            return Ok(counted.bytes_report());
        }
        counted.add(bytes as u64);
    }
}

/// Writes one connection, for a little longer than the sink counts.
pub fn source(arguments: &Arguments) -> Result<String> {
    let mut stream = socket::connect(arguments.address, arguments.protocol)?;
    let block = vec![0x5a; BLOCK_BYTES];
    let mut window = arguments.window();
    window.length += window.length / 20 + std::time::Duration::from_millis(100);
    let mut counted = Counted::start(&window);
    loop {
        let bytes = match stream.write(&block) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !counted.add(bytes as u64) {
            return Ok(counted.bytes_report());
        }
    }
}
