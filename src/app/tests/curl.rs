//! An independent client against the server.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::world::{World, content};

async fn curl(arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "30"]).args(arguments);
    match tokio::task::spawn_blocking(move || command.output()).await.expect("no panic") {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: no curl: {error}");
            None
        }
    }
}

#[tokio::test]
async fn curl_gets_resumes_and_puts() {
    let world = World::start().await;
    let bytes = content(1_500_000);
    world.write("a b.bin", &bytes);
    let local = TempDir::new().expect("a folder");
    let (down, up) = (local.path().join("down"), local.path().join("up"));
    let (down, up) = (down.to_str().expect("plain"), up.to_str().expect("plain"));

    std::fs::write(down, &bytes[..400_000]).expect("written");
    let Some(got) = curl(&["-f", "-C", "-", "-o", down, &world.url("/a%20b.bin")]).await else { return };
    assert!(got.status.success(), "{got:?}");
    assert!(std::fs::read(down).expect("there") == bytes);

    std::fs::write(up, &bytes).expect("written");
    let put =
        curl(&["-f", "-T", up, &world.url("/new.bin"), "-w", "%{http_code}"]).await.expect("it is there");
    assert_eq!((put.status.success(), put.stdout.as_slice()), (true, &b"201"[..]), "{put:?}");
    assert!(std::fs::read(world.path("new.bin")).expect("there") == bytes);

    let escape = curl(&["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", &world.url("/../x")]).await;
    assert_eq!(escape.expect("it is there").stdout, b"403");
}

#[tokio::test]
async fn curl_hears_why_an_upload_is_refused() {
    let world = World::start_with(|_| {}).await;
    let local = TempDir::new().expect("a folder");
    let up = local.path().join("up");
    std::fs::write(&up, content(3_000_000)).expect("written");
    let up = up.to_str().expect("plain");
    // Without asking first: the refusal comes in the middle of the body.
    let Some(put) = curl(&["-H", "Expect:", "-T", up, &world.url("/x"), "-w", "%{http_code}"]).await else {
        return;
    };
    let said = String::from_utf8_lossy(&put.stdout);
    assert!(said.ends_with("403"), "{put:?}");
    assert!(world.names().is_empty());
}
