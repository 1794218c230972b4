//! Answers at the control socket. Nothing that is said there ends the emulator.

use super::links::Links;
use super::protocol::{REQUEST_BYTES, parse_request, refusal};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore};

/// Connections at once; others are told so and closed.
const CONNECTIONS: usize = 16;
/// How long a connection may be silent, or not take its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a refusal of the system, which has run out of something.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever.
pub(super) async fn serve(listener: UnixListener, links: Links) {
    let links = Arc::new(Mutex::new(links));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the control socket takes nobody");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let links = Arc::clone(&links);
                tokio::spawn(async move {
                    // Whoever closes too early has what it asked for.
                    let _ = converse(stream, &links).await;
                    drop(place);
                });
            }
            Err(_) => turn_away(&stream),
        }
    }
}

/// Without waiting: as much as fits is enough for a line.
fn turn_away(stream: &UnixStream) {
    let answer = refusal(&format!("{CONNECTIONS} connections are open: no more"));
    let _ = stream.try_write(format!("{answer}\n").as_bytes());
}

async fn converse(mut stream: UnixStream, links: &Mutex<Links>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = REQUEST_BYTES as u64 + 1;
        let mut limited = (&mut reader).take(limit);
        tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
        let whole = line.last() == Some(&b'\n');
        if line.is_empty() {
            return Ok(());
        }
        let answer = if !whole && line.len() > REQUEST_BYTES {
            refusal(&format!("a request has at most {REQUEST_BYTES} bytes"))
        } else {
            match parse_request(&line) {
                Ok(request) => links.lock().await.handle(request).await,
                Err(error) => refusal(&error),
            }
        };
        answer_with(&mut writer, &answer).await?;
        if !whole {
            // What follows is no beginning of a request.
            return Ok(());
        }
    }
}

async fn answer_with(writer: &mut (impl AsyncWriteExt + Unpin), answer: &Value) -> io::Result<()> {
    let line = format!("{answer}\n");
    tokio::time::timeout(PATIENCE, writer.write_all(line.as_bytes())).await?
}
