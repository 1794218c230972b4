//! The verbs, on an endpoint made of the kernel's TCP.
#![cfg(feature = "dpdk")]

use mpdk::app::{Accepted, Acceptor, Connector, Link, Probe, Progress, Transport};
use mpdk::cli::{Endpoint, StartError};
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Signals reach every verb that runs in this process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection of the kernel.
struct Tcp(TcpStream);

struct TcpProbe(SocketAddr, SocketAddr);

impl Probe for TcpProbe {
    async fn progress(&mut self) -> io::Result<Progress> {
        let (local, remote) = (self.0, self.1);
        let link = Link { name: "lo".into(), local, remote, bytes_sent: 1, bytes_received: 1, srtt_us: None };
        Ok(Progress { mptcp: false, taken_over_frames: 0, links: vec![link] })
    }
}

impl Transport for Tcp {
    type Probe = TcpProbe;
    fn probe(&self) -> TcpProbe {
        TcpProbe(self.0.local_addr().unwrap(), self.0.peer_addr().unwrap())
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct TcpConnector;

impl Connector for TcpConnector {
    type Transport = Tcp;
    async fn connect(&self, remote: SocketAddr) -> io::Result<Tcp> {
        TcpStream::connect(remote).await.map(Tcp)
    }
}

struct TcpAcceptor(TcpListener);

impl Acceptor for TcpAcceptor {
    type Transport = Tcp;
    async fn accept(&mut self) -> io::Result<Accepted<Tcp>> {
        let (stream, remote) = self.0.accept().await?;
        Ok(Accepted { transport: Tcp(stream), remote: Some(remote) })
    }
}

/// An endpoint that tells where it listens and that it was stopped, and breaks
/// down when asked to.
#[derive(Default)]
struct KernelEndpoint {
    listening: Option<mpsc::Sender<SocketAddr>>,
    breakdown: Option<oneshot::Receiver<()>>,
    stopped: Option<mpsc::Sender<()>>,
}

impl Endpoint for KernelEndpoint {
    type Connector = TcpConnector;
    type Acceptor = TcpAcceptor;

    async fn connector(&self) -> io::Result<TcpConnector> {
        Ok(TcpConnector)
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpAcceptor> {
        let listener = TcpListener::bind(address).await?;
        if let Some(listening) = &self.listening {
            listening.send(listener.local_addr()?).unwrap();
        }
        Ok(TcpAcceptor(listener))
    }

    async fn failed(&mut self) -> io::Error {
        match &mut self.breakdown {
            Some(breakdown) => {
                breakdown.await.unwrap();
                io::Error::other("the core is gone")
            }
            None => std::future::pending().await,
        }
    }

    async fn stop(self) {
        if let Some(stopped) = self.stopped {
            stopped.send(()).unwrap();
        }
    }
}

/// A folder with a valid configuration.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let port =
            "[[port]]\nname = \"left\"\ndevice = \"net_tap0,iface=left\"\naddresses = [\"10.1.1.2/24\"]\n";
        std::fs::write(desk.path("mpdk.toml"), port).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        self.path("mpdk.toml").display().to_string()
    }
}

fn run_on(endpoint: KernelEndpoint, arguments: &[&str]) -> ExitCode {
    let arguments = std::iter::once("mpdk").chain(arguments.iter().copied()).map(OsString::from);
    mpdk::cli::run(arguments, |_| Ok(endpoint))
}

fn run(arguments: &[&str]) -> ExitCode {
    run_on(KernelEndpoint::default(), arguments)
}

/// Codes have no equality: compare what they print.
#[track_caller]
fn assert_code(code: ExitCode, expected: u8) {
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
}

/// A running `mpdk serve`.
struct Server {
    thread: std::thread::JoinHandle<ExitCode>,
    address: SocketAddr,
    stopped: mpsc::Receiver<()>,
    breakdown: oneshot::Sender<()>,
}

impl Server {
    fn start(config: &str, root: &Path) -> Self {
        let (listening, address) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let (breakdown, broken) = oneshot::channel();
        let endpoint =
            KernelEndpoint { listening: Some(listening), breakdown: Some(broken), stopped: Some(stop) };
        let root = root.display().to_string();
        let arguments =
            ["serve", "--config", config, "--root", &root, "--allow-put", "--listen", "127.0.0.1:0"]
                .map(str::to_owned);
        let thread = std::thread::spawn(move || run_on(endpoint, &arguments.each_ref().map(String::as_str)));
        Self { thread, address: address.recv().expect("it listens"), stopped, breakdown }
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The exit code, and whether the endpoint was stopped before.
    fn end(self) -> (ExitCode, bool) {
        let code = self.thread.join().unwrap();
        (code, self.stopped.try_recv().is_ok())
    }
}

fn raise(signal: i32) {
    // SAFETY: sends a signal to this process, which has a handler for it.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0);
}

#[test]
fn files_go_both_ways_and_a_signal_ends_the_server_in_order() {
    let _alone = alone();
    let desk = Desk::new();
    let root = desk.path("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a.txt"), "twelve bytes").unwrap();
    let server = Server::start(&desk.config(), &root);

    let output = desk.path("copy.txt").display().to_string();
    let digest = "0000000000000000000000000000000000000000000000000000000000000000";
    let get = ["get", "--config", &desk.config(), &server.url("a.txt"), "-o", &output];
    assert_code(run(&[&get[..], &["--sha256", digest]].concat()), 5);
    assert!(!Path::new(&output).exists());
    assert_code(run(&[&get[..], &["--no-resume", "--json"]].concat()), 0);
    assert_eq!(std::fs::read(&output).unwrap(), b"twelve bytes");
    assert_code(run(&["get", "--config", &desk.config(), &server.url("none"), "-o", &output]), 3);

    assert_code(run(&["put", "--config", &desk.config(), &output, &server.url("")]), 0);
    assert_eq!(std::fs::read(root.join("copy.txt")).unwrap(), b"twelve bytes");
    let missing = desk.path("missing").display().to_string();
    assert_code(run(&["put", "--config", &desk.config(), &missing, &server.url("")]), 4);

    raise(libc::SIGTERM);
    let (code, stopped) = server.end();
    assert_code(code, 0);
    assert!(stopped);
}

#[test]
fn a_signal_ends_a_transfer_and_a_running_endpoint() {
    let _alone = alone();
    let desk = Desk::new();
    // Connections are taken by the kernel, and nobody ever answers.
    let silent = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/a", silent.local_addr().unwrap());
    let config = desk.config();
    let output = desk.path("a").display().to_string();
    let transfer = std::thread::spawn(move || run(&["get", "--config", &config, &url, "-o", &output]));
    let _connection = silent.accept().unwrap();
    raise(libc::SIGINT);
    assert_code(transfer.join().unwrap(), 130);

    let (stop, stopped) = mpsc::channel();
    let (started, starting) = mpsc::channel();
    let config = desk.config();
    let running = std::thread::spawn(move || {
        let arguments = ["mpdk", "run", "--config", &config].map(OsString::from);
        mpdk::cli::run(arguments, |_| {
            started.send(()).unwrap();
            Ok(KernelEndpoint { stopped: Some(stop), ..Default::default() })
        })
    });
    // Signals are caught before an endpoint starts.
    starting.recv().unwrap();
    raise(libc::SIGTERM);
    assert_code(running.join().unwrap(), 0);
    stopped.try_recv().expect("the endpoint was stopped");
}

#[test]
fn an_endpoint_that_breaks_down_ends_the_server() {
    let _alone = alone();
    let desk = Desk::new();
    let server = Server::start(&desk.config(), desk.folder.path());
    let Server { thread, stopped, breakdown, .. } = server;
    breakdown.send(()).unwrap();
    assert_code(thread.join().unwrap(), 1);
    stopped.try_recv().expect("the endpoint was stopped");
}

#[test]
fn an_endpoint_that_does_not_start_or_listen() {
    let _alone = alone();
    let desk = Desk::new();
    let config = desk.config();
    let arguments = ["mpdk", "run", "--config", &config].map(OsString::from);
    let code = mpdk::cli::run(arguments, |_| Err::<KernelEndpoint, _>(StartError::new("no memory")));
    assert_code(code, 7);
    let occupied = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let root = desk.folder.path().display().to_string();
    assert_code(run(&["serve", "--config", &config, "--root", &root, "--listen", &address]), 7);
    let missing = desk.path("none").display().to_string();
    assert_code(run(&["serve", "--config", &config, "--root", &missing, "--listen", "127.0.0.1:0"]), 4);
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let desk = Desk::new();
    std::fs::write(desk.path("bad.toml"), "[tcp]\nsakc = true\n").unwrap();
    for config in [desk.path("bad.toml"), desk.path("none.toml")] {
        let arguments = [OsString::from("mpdk"), "run".into(), "--config".into(), config.into()];
        let code = mpdk::cli::run(arguments, |_| -> Result<KernelEndpoint, _> { panic!("must not start") });
        assert_code(code, 6);
    }
}

#[test]
fn wrong_usage_and_help() {
    for wrong in [
        &["sevre"][..],
        &[],
        &["run"],
        &["run", "--config", "x", "--log", "=loud="],
        &["get", "--config", "x"],
    ] {
        assert_code(run(wrong), 2);
    }
    assert_code(run(&["get", "--config", "x", "http://a/", "--sha256", "12"]), 2);
    assert_code(run(&["--help"]), 0);
    assert_code(run(&["--version"]), 0);
}
