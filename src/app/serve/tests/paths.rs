//! No path leaves the folder.

use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::refusal::Refusal;
use super::super::root::{Node, Resolver, Root};
use super::super::target::Target;
use crate::app::tests::world::{PATIENCE, World};

/// A folder with links of every kind, beside a secret.
struct Links {
    _all: TempDir,
    root: std::path::PathBuf,
}

fn links() -> Links {
    let all = TempDir::new().expect("a folder");
    let root = all.path().join("root");
    std::fs::create_dir_all(root.join("sub/deep")).expect("folders");
    std::fs::write(all.path().join("secret"), "secret").expect("written");
    std::fs::write(root.join("file"), "file").expect("written");
    symlink("../secret", root.join("up")).expect("a link");
    symlink(all.path().join("secret"), root.join("absolute")).expect("a link");
    symlink("..", root.join("parent")).expect("a link");
    symlink("../../..", root.join("sub/deep/out")).expect("a link");
    symlink("../file", root.join("sub/inside")).expect("a link");
    symlink("sub/inside", root.join("twice")).expect("a link");
    symlink("loop", root.join("loop")).expect("a link");
    symlink("/proc/self/root/etc/passwd", root.join("magic")).expect("a link");
    Links { _all: all, root }
}

fn read(root: &Root, path: &str) -> Result<String, Refusal> {
    match root.node(Path::new(path))? {
        Node::File(open) => Ok(std::io::read_to_string(open.file).expect("readable")),
        Node::Directory(_) => Ok("directory".to_owned()),
    }
}

const ESCAPES: [&str; 8] = [
    "up",
    "absolute",
    "parent/secret",
    "parent",
    "sub/deep/out/secret",
    "sub/../../secret",
    "../secret",
    "magic",
];

#[test]
fn the_kernel_keeps_paths_below_and_follows_links_inside() {
    let links = links();
    let root = Root::open(&links.root).expect("opened").with_resolver(Resolver::Kernel);
    for path in ["file", "sub/inside", "twice"] {
        assert_eq!(read(&root, path).expect(path), "file");
    }
    assert_eq!(read(&root, "sub/deep").expect("a folder"), "directory");
    for path in ESCAPES.into_iter().chain(["loop", "/etc/passwd"]) {
        assert!(matches!(read(&root, path), Err(Refusal::Forbidden(_))), "{path}");
        assert!(root.facts(Path::new(path)).is_none(), "{path}");
    }
    assert!(matches!(root.directory(Path::new("parent")), Err(Refusal::Forbidden(_))));
}

#[test]
fn walking_follows_no_link_at_all() {
    let links = links();
    let root = Root::open(&links.root).expect("opened").with_resolver(Resolver::Walk);
    assert_eq!(read(&root, "file").expect("a file"), "file");
    assert_eq!(read(&root, "sub/deep").expect("a folder"), "directory");
    assert_eq!(read(&root, "").expect("the root"), "directory");
    for path in ESCAPES.into_iter().chain(["loop", "/etc/passwd", "sub/inside", "twice"]) {
        let refused = matches!(read(&root, path), Err(Refusal::Forbidden(_) | Refusal::NotFound));
        assert!(refused, "{path}");
    }
}

#[test]
fn the_folder_must_be_one() {
    let links = links();
    assert!(Root::open(&links.root.join("file")).is_err());
    assert!(Root::open(&links.root.join("missing")).is_err());
}

#[tokio::test]
async fn escapes_over_the_wire() {
    let world = World::start().await;
    world.write("sub/file", "file");
    symlink("/etc", world.path("etc")).expect("a link");
    let cases = [
        ("/../etc/passwd", 403),
        ("/%2e%2e/etc/passwd", 403),
        ("/sub/%2E./../x", 403),
        ("/sub/..%2f..%2fetc/passwd", 400),
        ("/sub%00/file", 400),
        ("/etc/passwd", 403),
        ("/etc/", 403),
        ("/sub/file/", 404),
        ("/sub/file/x", 404),
        ("/missing", 404),
        ("/.mpdk-upload-1", 404),
        ("/%2empdk-upload-1/x", 404),
        ("/./sub//./file", 200),
        ("/s%75b/fil%65", 200),
    ];
    for (path, status) in cases {
        let got = world.get_with(path, "").await;
        assert_eq!(got.status, status, "{path}");
        if status == 200 {
            assert_eq!(got.text(), "file");
        }
        if status >= 400 && !path.contains("missing") {
            let put = world.ask("PUT", path, "Content-Length: 1\r\n", b"x").await;
            assert!(put.status >= 400, "{path}: {}", put.status);
        }
    }
    assert_eq!(world.get_with(&format!("/{}", "n".repeat(300)), "").await.status, 404);
    assert_eq!(world.get_with(&"/n".repeat(3000), "").await.status, 404);
    assert_eq!(world.names(), ["etc", "sub"]);
}

#[tokio::test]
async fn special_files_are_refused_and_do_not_block() {
    let world = World::start().await;
    let fifo = world.path("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).expect("a socket");
    let ask = async {
        for path in ["/fifo", "/socket"] {
            assert_eq!(world.get_with(path, "").await.status, 403, "{path}");
            assert_eq!(world.ask("PUT", path, "Content-Length: 1\r\n", b"x").await.status, 409, "{path}");
        }
        assert!(!world.get_with("/", "").await.text().contains("fifo"));
    };
    tokio::time::timeout(PATIENCE, ask).await.expect("nothing blocks");
}

proptest! {
    #[test]
    fn targets_have_no_way_up(path in "(/([a.%/]|%2e|%2f|%00|\\.\\.){0,6}){1,4}") {
        if let Ok(target) = Target::parse(&path) {
            let relative = target.relative();
            prop_assert!(relative.is_relative());
            for component in relative.components() {
                prop_assert!(matches!(component, std::path::Component::Normal(_)), "{:?}", relative);
            }
            let location = target.directory_path();
            prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
            prop_assert_eq!(Target::parse(&location).expect("parses").relative(), relative);
        }
    }
}
