//! The passive side of bulk through the client API: as a service would take it,
//! which looks at every byte where it lies.

use crate::bench::Wish;
use mpdk_client::{Context, Listener, Stream};
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;

/// Takes what comes on every connection, until the endpoint is gone.
pub(super) async fn sink(context: &Context, address: SocketAddr) -> io::Result<()> {
    let listener = Listener::bind(context, address).await?;
    tracing::info!(%address, "listening");
    let tasks = LocalSet::new();
    let accept = async {
        loop {
            let stream = listener.accept().await?;
            tasks.spawn_local(async {
                if let Err(error) = take_all(stream).await {
                    tracing::warn!(%error, "a connection is reset");
                }
            });
        }
    };
    tasks.run_until(accept).await
}

async fn take_all(mut stream: Stream) -> io::Result<()> {
    let wish = stream.read_u8().await?;
    if !matches!(Wish::decode(&[wish]), Ok(Some((Wish::Discard, _)))) {
        stream.abort();
        return Err(io::Error::new(io::ErrorKind::InvalidData, "only bulk is taken through the client API"));
    }
    while let Some(chunk) = stream.read_chunk().await? {
        black_box(sum_of(&chunk));
    }
    Ok(())
}

fn sum_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0_u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_left_out() {
        let bytes: Vec<u8> = (0..100).collect();
        let without = |at: usize| sum_of(&[&bytes[..at], &[0], &bytes[at + 1..]].concat());
        assert!((1..100).all(|at| without(at) != sum_of(&bytes)));
    }
}
