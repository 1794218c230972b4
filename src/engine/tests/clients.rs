//! Clients that go, die and lie.

use super::pair::{Pair, attach, run, server};
use super::raw::RawClient;
use mpdk_client::layout::Address;
use mpdk_client::{BlockRange, ConnectionHandle, Context, Listener, Stream, Submission};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_client_that_goes_leaves_nothing_and_loses_nothing() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&left, server()), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        let (mut connected, mut accepted) = (connected.unwrap(), accepted.unwrap());
        pair.drive(connected.write_all(b"the last words")).await.unwrap();
        drop((connected, left));
        let mut received = Vec::new();
        pair.drive(accepted.read_to_end(&mut received)).await.unwrap();
        assert_eq!(received, b"the last words");
        pair.until(|pair| pair.left.connection_count() == 0).await;
        // Its listeners go with it, too.
        drop((accepted, listener, right));
        let (left, _right) = pair.contexts();
        let refused = pair.drive(Stream::connect(&left, server())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_client_that_dies_is_noticed() {
    run(async {
        let mut pair = Pair::new(1);
        let (_, right) = pair.contexts();
        let (dying, driver) = Context::new([attach(&mut pair.left)]).unwrap();
        let driver = tokio::spawn(driver.run());
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&dying, server()), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        let mut accepted = accepted.unwrap();
        // The driver is gone without a word to the streams, as in a crash.
        driver.abort();
        assert_eq!(pair.drive(accepted.read(&mut [0])).await.unwrap(), 0);
        pair.until(|pair| pair.left.connection_count() == 0).await;
        drop(connected);
    });
}

#[test]
fn a_client_that_lies_loses_its_connections_and_only_those() {
    run(async {
        let mut pair = Pair::new(1);
        let (honest, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&honest, server()), listener.accept()) };
        let (honest_in, honest_out) = pair.drive(both).await;
        let (mut honest_in, mut honest_out) = (honest_in.unwrap(), honest_out.unwrap());

        let mut liar = RawClient::new(attach(&mut pair.left));
        liar.submit(Submission::Connect {
            user_data: 1,
            remote: Address::from(server()),
            local: Address::NONE,
            flags: 0,
        });
        let mut deceived = pair.drive(listener.accept()).await.unwrap();
        pair.until(|pair| pair.left.connection_count() == 2).await;
        // A block that no arena has.
        let range = BlockRange { block: u32::MAX, offset: 0, len: 1 };
        liar.submit(Submission::Send { connection: ConnectionHandle(0), range });
        let error = pair.drive(deceived.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        pair.until(|pair| pair.left.connection_count() == 1).await;
        assert!(liar.is_abandoned());

        pair.drive(honest_in.write_all(b"still here")).await.unwrap();
        let mut received = [0; 10];
        pair.drive(honest_out.read_exact(&mut received)).await.unwrap();
        assert_eq!(&received, b"still here");
    });
}

#[test]
fn a_client_cannot_touch_what_belongs_to_another() {
    run(async {
        let mut pair = Pair::new(1);
        let (left, right) = pair.contexts();
        let listener = pair.drive(Listener::bind(&right, server())).await.unwrap();
        let both = async { tokio::join!(Stream::connect(&left, server()), listener.accept()) };
        let (connected, accepted) = pair.drive(both).await;
        let (mut connected, mut accepted) = (connected.unwrap(), accepted.unwrap());

        let mut thief = RawClient::new(attach(&mut pair.left));
        for index in 0..4 {
            let connection = ConnectionHandle(index);
            let range = BlockRange { block: index as u32, offset: 0, len: 100 };
            thief.submit(Submission::Send { connection, range });
            thief.submit(Submission::ShutdownWrite { connection });
            thief.submit(Submission::Close { connection });
            thief.submit(Submission::Abort { connection });
            thief.submit(Submission::Info { user_data: index, connection });
        }
        pair.drive(connected.write_all(b"mine")).await.unwrap();
        let mut received = [0; 4];
        pair.drive(accepted.read_exact(&mut received)).await.unwrap();
        assert_eq!(&received, b"mine");
        assert!(!thief.is_abandoned());
        assert_eq!(pair.left.connection_count(), 1);
    });
}

#[test]
fn too_many_clients_are_refused() {
    run(async {
        let mut pair = Pair::new(1);
        let kept: Vec<_> = (0..64).map(|_| attach(&mut pair.left)).collect();
        let refused = Context::spawn([attach(&mut pair.left)]).unwrap();
        let error = pair.drive(Stream::connect(&refused, server())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert!(refused.is_engine_gone());
        drop(kept);
        let served = |pair: &mut Pair| {
            let attachment = attach(&mut pair.left);
            attachment.region.engine().closed.load(std::sync::atomic::Ordering::Acquire) == 0
        };
        // The dead are noticed, and then there is room.
        pair.until(served).await;
    });
}
