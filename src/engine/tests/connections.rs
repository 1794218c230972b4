//! Connections from their first to their last word.

use super::pair::{Pair, address, run, server};
use mpdk_client::{Context, ListenOptions, Listener, Stream};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends back what comes, on every connection.
async fn echo(listener: Listener) {
    loop {
        let Ok(mut stream) = listener.accept().await else { return };
        tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
    }
}

async fn ask(context: &Context, text: &[u8]) -> Vec<u8> {
    let mut stream = Stream::connect(context, server()).await.unwrap();
    stream.write_all(text).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[test]
fn an_echo_comes_back_and_nothing_is_left() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        assert_eq!(listener.local_addr(), server());
        let task = tokio::spawn(echo(listener));
        assert_eq!(pair.drive(ask(&left, b"hello")).await, b"hello");
        pair.until(|pair| pair.left.connection_count() + pair.right.connection_count() == 0).await;
        task.abort();
    });
}

#[test]
fn both_ends_know_the_same_addresses() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let any = SocketAddr::new(address(2, 0), 0);
        let listener = pair.drive(Listener::bind(&right, any)).await.unwrap();
        assert_ne!(listener.local_addr().port(), 0);
        let remote = listener.local_addr();
        let both = async { tokio::join!(Stream::connect(&left, remote), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        let (connected, accepted) = (connected.unwrap(), accepted.unwrap());
        assert_eq!(connected.peer_addr(), accepted.local_addr());
        assert_eq!(connected.local_addr(), accepted.peer_addr());
        assert_eq!(connected.local_addr().ip(), address(1, 0));
    });
}

#[test]
fn a_hundred_connections_at_once() {
    run(async {
        let mut pair = Pair::new(2);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let task = tokio::spawn(echo(listener));
        let asking: Vec<_> = (0..100_u32)
            .map(|number| {
                let left = left.clone();
                let text = number.to_string().repeat(1 + number as usize * 50);
                tokio::spawn(async move { assert_eq!(ask(&left, text.as_bytes()).await, text.as_bytes()) })
            })
            .collect();
        for asked in asking {
            pair.drive(asked).await.unwrap();
        }
        pair.until(|pair| pair.left.connection_count() + pair.right.connection_count() == 0).await;
        task.abort();
    });
}

#[test]
fn refusals_say_why() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let connect = |to: &str| Stream::connect(&left, to.parse().unwrap());
        let kind = |result: Result<Stream, std::io::Error>| result.unwrap_err().kind();
        assert_eq!(kind(pair.drive(connect("10.0.0.2:81")).await), ErrorKind::ConnectionRefused);
        assert_eq!(kind(pair.drive(connect("10.9.0.2:80")).await), ErrorKind::HostUnreachable);
        assert_eq!(kind(pair.drive(connect("10.0.0.99:80")).await), ErrorKind::HostUnreachable);
        assert_eq!(kind(pair.drive(connect("0.0.0.0:80")).await), ErrorKind::InvalidInput);

        let bind = |to: SocketAddr| Listener::bind(&right, to);
        let elsewhere = SocketAddr::new(address(1, 0), 80);
        assert_eq!(pair.drive(bind(elsewhere)).await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        let _first = pair.drive(bind(server())).await.unwrap();
        assert_eq!(pair.drive(bind(server())).await.unwrap_err().kind(), ErrorKind::AddrInUse);

        let plain = ListenOptions { plain_tcp: true, ..ListenOptions::default() };
        let plain = Listener::bind_with(&right, SocketAddr::new(address(2, 0), 81), plain);
        assert_eq!(pair.drive(plain).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(pair.left.connection_count(), 0);
    });
}

#[test]
fn connections_wait_for_a_server_that_is_slow_to_accept() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let backlog = ListenOptions { backlog: 2, ..ListenOptions::default() };
        let listener = pair.drive(Listener::bind_with(&right, server(), backlog)).await.unwrap();
        let mut connected = Vec::new();
        // Two are announced and two wait for the server to take those.
        for _ in 0..4 {
            connected.push(pair.drive(Stream::connect(&left, server())).await.unwrap());
        }
        pair.until(|pair| pair.right.connection_count() == 4).await;
        for stream in &connected {
            let accepted = pair.drive(listener.accept()).await.unwrap();
            assert_eq!(accepted.peer_addr(), stream.local_addr());
        }
    });
}

#[test]
fn a_closed_listener_refuses_and_resets_who_waited() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let waiting = pair.drive(Stream::connect(&left, server())).await.unwrap();
        let taken = pair.drive(Stream::connect(&left, server())).await.unwrap();
        let first = pair.drive(listener.accept()).await.unwrap();
        let (mut taken, mut waiting) =
            if first.peer_addr() == taken.local_addr() { (taken, waiting) } else { (waiting, taken) };
        let mut accepted = first;
        drop(listener);
        let mut byte = [0];
        assert_eq!(pair.drive(waiting.read(&mut byte)).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let refused = pair.drive(Stream::connect(&left, server())).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // What was accepted before goes on.
        pair.drive(accepted.write_all(b"x")).await.unwrap();
        assert_eq!(pair.drive(taken.read(&mut byte)).await.unwrap(), 1);
        assert_eq!(&byte, b"x");
    });
}

#[test]
fn an_aborted_connection_is_reset_at_the_peer() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&left, server()), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        let mut accepted = accepted.unwrap();
        connected.unwrap().abort();
        let error = pair.drive(accepted.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        pair.until(|pair| pair.left.connection_count() == 0).await;
    });
}

#[test]
fn what_was_written_before_a_drop_is_delivered() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let text = vec![7; 200_000];
        let write = async {
            let mut stream = Stream::connect(&left, server()).await.unwrap();
            stream.write_all(&text).await.unwrap();
        };
        let read = async {
            let mut stream = listener.accept().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            received
        };
        let ((), received) = pair.drive(async { tokio::join!(write, read) }).await;
        assert_eq!(received.len(), text.len());
        assert_eq!(received, text);
    });
}

#[test]
fn a_connection_without_a_word_ends_in_order() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&left, server()), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        drop(connected);
        assert_eq!(pair.drive(accepted.unwrap().read(&mut [0])).await.unwrap(), 0);
        pair.until(|pair| pair.left.connection_count() + pair.right.connection_count() == 0).await;
    });
}
