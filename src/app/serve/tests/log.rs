//! One line for each request.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::tests::world::{World, content, until};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn about(&self, path: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text");
        text.lines().filter(|line| line.contains(path)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_request_has_its_line_when_it_is_over() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // With only one subscriber alive, tracing asks the thread that comes first
    // to a line of code whether anybody listens there, and that may be another
    // test's. With two it asks both.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    // Everything here runs on this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::start().await;
    world.write("whole", "content");
    world.write("cut", content(64 << 20));

    world.get_with("/whole?q=1", "").await;
    world.ask("HEAD", "/missing", "", b"").await;
    let mut cut = TcpStream::connect(world.address).await.expect("connected");
    cut.write_all(b"GET /cut HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("sent");
    cut.read_u8().await.expect("it has begun");
    drop(cut);
    let mut upload = TcpStream::connect(world.address).await.expect("connected");
    upload.write_all(b"PUT /half HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf").await.expect("sent");
    until("the upload has begun", || world.names().len() == 3).await;
    drop(upload);

    let paths = ["/whole?q=1", "/missing", "/cut", "/half"];
    until("all are logged", || paths.iter().all(|path| !lines.about(path).is_empty())).await;
    let line = |path: &str| match lines.about(path).as_slice() {
        [line] => line.clone(),
        lines => panic!("one line for {path}: {lines:?}"),
    };
    assert!(line("/whole?q=1").contains("mpdk::access"));
    assert!(
        line("/whole?q=1").contains("method=GET")
            && line("/whole?q=1").contains("status=200 bytes=7 complete=true")
    );
    assert!(line("/missing").contains("method=HEAD") && line("/missing").contains("status=404"));
    assert!(line("/cut").contains("status=200") && line("/cut").contains("complete=false"));
    assert!(line("/half").contains("method=PUT") && line("/half").contains("status=400"));
    assert!(line("/half").contains("remote=\"127.0.0.1:"), "{}", line("/half"));
}
