use std::os::unix::fs::symlink;

use super::super::listing::escape;
use crate::app::tests::world::World;

#[tokio::test]
async fn a_folder_is_listed() {
    let world = World::start().await;
    world.write("d/b.txt", "four");
    world.write("d/a<b>&\"c\".txt", "");
    world.write("d/sub/x", "");
    world.write("d/javascript:alert(1)", "");
    world.write("d/.mpdk-upload-0123456789abcdef", "half");
    symlink("/etc/passwd", world.path("d/outside")).expect("a link");
    symlink("b.txt", world.path("d/inside")).expect("a link");
    let got = world.get_with("/d/", "").await;
    assert_eq!((got.status, got.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = got.text();
    assert!(page.contains("<a href=\"./b.txt\">b.txt</a></td><td>4</td>"), "{page}");
    assert!(page.contains("a&lt;b&gt;&amp;&quot;c&quot;.txt</a>"), "{page}");
    assert!(page.contains("href=\"./a%3Cb%3E%26%22c%22.txt\""), "{page}");
    assert!(page.contains("href=\"./javascript%3Aalert%281%29\""), "{page}");
    assert!(page.contains("<a href=\"../\">") && page.contains("./inside"), "{page}");
    assert!(!page.contains("outside") && !page.contains("mpdk-upload"), "{page}");
    assert!(page.find("./sub/").expect("listed") < page.find("./b.txt").expect("listed"));

    let head = world.ask("HEAD", "/d/", "", b"").await;
    assert_eq!(head.field("content-length"), got.field("content-length"));
    assert!(!world.get_with("/", "").await.text().contains("href=\"../\""), "the root has no parent");
}

#[tokio::test]
async fn a_folder_without_its_slash_is_redirected() {
    let world = World::start().await;
    world.write("a b/f", "");
    world.write("evil.example/f", "");
    let got = world.get_with("/a%20b?q=1", "").await;
    assert_eq!((got.status, got.field("location")), (301, Some("/a%20b/?q=1")));
    // Two slashes in front would be another host.
    let got = world.get_with("//evil.example", "").await;
    assert_eq!((got.status, got.field("location")), (301, Some("/evil.example/")));
}

#[test]
fn every_special_character_is_escaped() {
    assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
}
