//! The async API against the slot: two threads, two mappings, one region.

use super::echo::{DELAY, DIE, ECHO, RELEASE, Report, SWALLOW, start};
use super::*;
use crate::base::Random;
use mpdk_client::{ConnectOptions, Context, ListenOptions, Listener, Stream};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Longer than any of these takes; a test that waits for it has lost a wake-up.
const LIMIT: Duration = Duration::from_secs(60);

/// A transmit block for every connection of a test, and far fewer to receive.
const MANY_TO_SEND: RegionConfig = RegionConfig { transmit_blocks: 64, ..SMALL };

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs `test` against an engine, and returns what the engine has seen.
fn with_engine<F: Future<Output = ()>>(
    runtime: &Runtime,
    config: &RegionConfig,
    test: impl FnOnce(Context) -> F,
) -> Report {
    let (engine, attachment) = start(config);
    runtime.block_on(async {
        let (context, driver) = Context::new([attachment]).unwrap();
        let driver = tokio::spawn(driver.run());
        tokio::time::timeout(LIMIT, test(context)).await.expect("the test hangs");
        tokio::time::timeout(LIMIT, driver).await.expect("the driver does not end").unwrap();
    });
    engine.join().unwrap()
}

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::from_number(seed);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

/// Sends bytes in uneven pieces and reads them back, both at once.
async fn echo(context: Context, seed: u64, len: usize) {
    let stream = Stream::connect(&context, address(ECHO)).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent = bytes(seed, len);
    let expected = sent.clone();
    let write = async move {
        let mut random = Random::from_number(seed);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let count = (random.below(5000) as usize + 1).min(rest.len());
            writer.write_all(&rest[..count]).await.unwrap();
            rest = &rest[count..];
        }
        writer.shutdown().await.unwrap();
    };
    let read = async move {
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        assert!(received == expected, "stream {seed}: {} of {len} bytes or others", received.len());
    };
    tokio::join!(write, read);
}

async fn fifty_echoes(context: Context) {
    let mut streams = JoinSet::new();
    for seed in 0..50 {
        streams.spawn(echo(context.clone(), seed, 100_000));
    }
    while let Some(outcome) = streams.join_next().await {
        outcome.unwrap();
    }
}

#[test]
fn fifty_streams_through_a_narrow_region() {
    // Fewer blocks than streams and rings that are always full.
    let config = RegionConfig {
        submission_entries: 4,
        completion_entries: 4,
        transmit_blocks: 24,
        receive_blocks: 16,
        ..SMALL
    };
    let report = with_engine(&two_threads(), &config, fifty_echoes);
    assert_eq!((report.open, report.closes, report.aborts), (0, 50, 0));
    assert!(report.held_back > 0, "nothing was ever held back");
    let report = with_engine(&one_thread(), &config, fifty_echoes);
    assert_eq!((report.open, report.closes, report.aborts), (0, 50, 0));
}

#[test]
fn fifty_streams_through_a_wide_region() {
    let report = with_engine(&two_threads(), &RegionConfig::default(), fifty_echoes);
    assert_eq!((report.open, report.closes), (0, 50));
}

#[test]
fn accepted_and_connected_see_each_other() {
    let report = with_engine(&two_threads(), &MANY_TO_SEND, |context| async move {
        let listener = Listener::bind(&context, address(0)).await.unwrap();
        let target = listener.local_addr();
        assert_ne!(target.port(), 0);
        let mut clients = JoinSet::new();
        for port in 1..=20 {
            let context = context.clone();
            clients.spawn(async move {
                let options = ConnectOptions { local: Some(address(port)), plain_tcp: true };
                let mut stream = Stream::connect_with(&context, target, options).await.unwrap();
                assert_eq!((stream.local_addr(), stream.peer_addr()), (address(port), target));
                stream.write_all(&port.to_be_bytes()).await.unwrap();
                assert_eq!(stream.read_u16().await.unwrap(), port + 1);
            });
        }
        for _ in 0..20 {
            let mut stream = listener.accept().await.unwrap();
            let port = stream.read_u16().await.unwrap();
            assert_eq!((stream.local_addr(), stream.peer_addr()), (target, address(port)));
            stream.write_u16(port + 1).await.unwrap();
        }
        while let Some(outcome) = clients.join_next().await {
            outcome.unwrap();
        }
    });
    assert_eq!((report.open, report.listening, report.aborts), (0, 0, 0));
}

#[test]
fn the_last_stream_is_read_though_all_others_are_full() {
    with_engine(&one_thread(), &MANY_TO_SEND, |context| async move {
        let mut streams = Vec::new();
        for _ in 0..20 {
            let mut stream = Stream::connect(&context, address(ECHO)).await.unwrap();
            stream.write_all(b"echo").await.unwrap();
            streams.push(stream);
        }
        // Blocks for six of them, and the last come first.
        for mut stream in streams.into_iter().rev() {
            let mut received = [0; 4];
            stream.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"echo");
        }
    });
}

#[test]
fn what_was_written_before_a_drop_arrives() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let listener = Listener::bind(&context, address(80)).await.unwrap();
        let sent = bytes(3, 100_000);
        let mut writer = Stream::connect(&context, address(80)).await.unwrap();
        let mut reader = listener.accept().await.unwrap();
        let mut received = Vec::new();
        let write = async {
            writer.write_all(&sent).await.unwrap();
            drop(writer);
        };
        let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn an_abort_is_a_reset_after_what_had_arrived() {
    let report = with_engine(&one_thread(), &SMALL, |context| async move {
        let listener = Listener::bind(&context, address(80)).await.unwrap();
        let mut writer = Stream::connect(&context, address(80)).await.unwrap();
        let mut reader = listener.accept().await.unwrap();
        writer.write_all(b"last").await.unwrap();
        writer.abort();
        let mut received = Vec::new();
        let error = reader.read_to_end(&mut received).await.unwrap_err();
        assert_eq!((error.kind(), &received[..]), (ErrorKind::ConnectionReset, &b"last"[..]));
        let error = reader.write_all(b"anyone?").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = reader.info().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    });
    assert_eq!((report.open, report.closes, report.aborts), (0, 0, 1));
}

#[test]
fn refusals_are_the_errors_of_a_socket() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let error = Stream::connect(&context, address(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let _listener = Listener::bind(&context, address(80)).await.unwrap();
        let error = Listener::bind(&context, address(80)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_sending_side_is_shut_down_once_and_for_all() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut stream = Stream::connect(&context, address(ECHO)).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "hello");
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "the end is reached again");
    });
}

#[test]
fn information_is_of_the_connection_asked_about() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut one = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        let two = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        one.write_all(b"12345").await.unwrap();
        let (one, two) = (one.info().await.unwrap(), two.info().await.unwrap());
        assert_eq!((one.bytes_sent, two.bytes_sent), (5, 0));
        assert_ne!(one.token, two.token);
        assert_eq!((one.subflows()[0].state_name(), one.subflows()[0].srtt_us), ("ESTABLISHED", 250));
    });
}

#[test]
fn reading_in_place_takes_what_is_consumed() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut stream = Stream::connect(&context, address(ECHO)).await.unwrap();
        assert!(stream.is_write_vectored());
        let parts = [IoSlice::new(b"one\n"), IoSlice::new(b""), IoSlice::new(b"two\nthree")];
        assert_eq!(stream.write_vectored(&parts).await.unwrap(), 13);
        assert_eq!(stream.fill_buf().await.unwrap()[..4], *b"one\n");
        stream.consume(2);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "e\ntwo\n");
        stream.shutdown().await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "e\ntwo\nthree");
        assert!(stream.fill_buf().await.unwrap().is_empty());
    });
}

/// Polls a write once; whether it was taken.
async fn try_write(stream: &mut Stream, bytes: &[u8]) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_write(cx, bytes).is_ready())).await
}

#[test]
fn one_that_is_stuck_does_not_stop_another() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut stuck = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        let mut blocks = 0;
        while try_write(&mut stuck, &[0; 2048]).await {
            blocks += 1;
        }
        assert_eq!(blocks, 7, "of 8 blocks");
        echo(context.clone(), 1, 50_000).await;
        assert!(!try_write(&mut stuck, b"still").await);
    });
}

#[test]
fn a_block_refused_by_one_goes_to_the_next() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut holders = Vec::new();
        for _ in 0..8 {
            let mut stream = Stream::connect(&context, address(SWALLOW)).await.unwrap();
            assert!(try_write(&mut stream, b"held").await);
            holders.push(stream);
        }
        let mut fickle = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        let mut patient = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        // It waits first, and then does something else.
        assert!(!try_write(&mut fickle, b"maybe").await);
        let waiting = tokio::spawn(async move { patient.write_all(b"now").await });
        tokio::task::yield_now().await;
        holders.pop().unwrap().abort();
        waiting.await.unwrap().unwrap();
        drop(fickle);
    });
}

#[test]
fn small_writes_share_blocks() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let mut stream = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        // Seven blocks of 2048 bytes, and each piece takes 64.
        for _ in 0..7 * 32 {
            assert!(try_write(&mut stream, b"tiny").await);
        }
        assert!(!try_write(&mut stream, b"tiny").await);
    });
}

#[test]
fn nothing_hangs_when_the_engine_goes() {
    let (engine, attachment) = start(&SMALL);
    two_threads().block_on(async {
        let context = Context::spawn([attachment]).unwrap();
        let listener = Listener::bind(&context, address(80)).await.unwrap();
        let reader = Stream::connect(&context, address(ECHO)).await.unwrap();
        let mut writer = Stream::connect(&context, address(SWALLOW)).await.unwrap();
        while try_write(&mut writer, &[0; 2048]).await {}

        let mut pending = JoinSet::new();
        let (mut read, _write) = tokio::io::split(reader);
        pending.spawn(async move { read.read_u8().await.map(drop).unwrap_err() });
        pending.spawn(async move { writer.write_all(b"more").await.unwrap_err() });
        pending.spawn(async move { listener.accept().await.map(drop).unwrap_err() });
        for port in [DELAY, DIE] {
            let context = context.clone();
            pending.spawn(async move { Stream::connect(&context, address(port)).await.unwrap_err() });
        }
        let mut kinds = Vec::new();
        while let Some(error) = tokio::time::timeout(LIMIT, pending.join_next()).await.unwrap() {
            kinds.push(error.unwrap().kind());
        }
        assert_eq!(kinds.iter().filter(|&&kind| kind == ErrorKind::BrokenPipe).count(), 1, "{kinds:?}");
        assert_eq!(
            kinds.iter().filter(|&&kind| kind == ErrorKind::ConnectionAborted).count(),
            4,
            "{kinds:?}"
        );
        assert!(context.is_engine_gone());
        let error = Listener::bind(&context, address(81)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::ConnectionAborted, "the mpdk engine is gone")
        );
    });
    assert_eq!(engine.join().unwrap().listening, 1);
}

#[test]
fn nothing_hangs_when_the_driver_goes() {
    let (engine, attachment) = start(&SMALL);
    let runtime = one_thread();
    runtime.block_on(async {
        let (context, driver) = Context::new([attachment]).unwrap();
        let driver = tokio::spawn(driver.run());
        let mut stream = Stream::connect(&context, address(ECHO)).await.unwrap();
        let reading = tokio::spawn(async move { stream.read_u8().await });
        tokio::task::yield_now().await;
        driver.abort();
        let error = tokio::time::timeout(LIMIT, reading).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    });
    assert_eq!(engine.join().unwrap().open, 1, "the engine hears that the client is gone");
}

#[test]
fn what_nobody_waits_for_any_more_is_closed() {
    let report = with_engine(&one_thread(), &SMALL, |context| async move {
        let connecting = Stream::connect(&context, address(DELAY));
        assert!(tokio::time::timeout(Duration::ZERO, connecting).await.is_err());
        Stream::connect(&context, address(RELEASE)).await.unwrap_err();

        let listener = Listener::bind(&context, address(80)).await.unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, listener.accept()).await.is_err());
        let mut never_accepted = Stream::connect(&context, address(80)).await.unwrap();
        drop(listener);
        let error = never_accepted.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = Stream::connect(&context, address(80)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
    assert_eq!((report.open, report.listening, report.closes, report.aborts), (0, 0, 1, 1));
}

#[test]
fn a_backlog_is_a_limit_until_connections_are_accepted() {
    with_engine(&one_thread(), &SMALL, |context| async move {
        let options = ListenOptions { backlog: 2, plain_tcp: false };
        let listener = Listener::bind_with(&context, address(80), options).await.unwrap();
        let connect = || Stream::connect(&context, address(80));
        let (_one, _two) = (connect().await.unwrap(), connect().await.unwrap());
        assert_eq!(connect().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let _accepted = listener.accept().await.unwrap();
        let _three = connect().await.unwrap();
    });
}

/// Streams go wherever tasks go.
#[test]
fn everything_is_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    fn check_stream<T: AsyncRead + AsyncWrite + Unpin>() {}
    check::<Context>();
    check::<Listener>();
    check::<Stream>();
    check_stream::<Stream>();
}
