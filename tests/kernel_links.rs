//! Links that fail while a file moves between the binary's verbs and the
//! kernel's MPTCP.
#![cfg(feature = "dpdk")]

mod support;

use support::{
    DEADLINE, HttpServer, LinkBytes, Process, RandomFile, Site, is_root, read_head, request, sha256_of,
    wait_until,
};

const FILE_BYTES: u64 = 256 << 20;

#[test]
fn a_download_from_the_kernel_survives_the_loss_of_a_link() {
    if !is_root("a_download_from_the_kernel_survives_the_loss_of_a_link") {
        return;
    }
    let site = Site::new("get");
    site.kernel.add_mptcp_endpoint("10.79.2.1", Site::LINKS[1], &["signal"]);
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 2);
    let _server = HttpServer::start(&site.kernel, "0.0.0.0:8080", site.folder.path());
    let output = site.path("output");
    let mut command = site.mpdk("get");
    command.arg("http://10.79.1.1:8080/file").arg("--output").arg(&output).args(["--sha256", &file.sha256]);
    let mut download = Process::start(&mut command);
    let carried = |link| LinkBytes::of(&site.kernel, link).sent;
    wait_until("both links to carry", DEADLINE, || {
        assert!(download.is_running(), "{}{}", download.output(), download.errors());
        Site::LINKS.iter().all(|link| carried(link) > 1 << 20)
    });
    site.kernel.ip(&["link", "set", Site::LINKS[0], "down"]);
    let status = download.wait(DEADLINE);
    assert!(status.success(), "{status}\n{}", download.errors());
    assert_eq!(sha256_of(std::fs::File::open(&output).unwrap()).unwrap(), file);
    // What the first link had not brought came over the second.
    assert!(carried(Site::LINKS[1]) > file.bytes / 4);
}

#[test]
fn a_server_survives_a_link_that_goes_and_comes() {
    if !is_root("a_server_survives_a_link_that_goes_and_comes") {
        return;
    }
    let site = Site::new("flap");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 8);
    let _server = site.serve(site.folder.path());
    let mut stream = site.connect();
    site.wait_for_join(&stream);
    request(&mut stream, "/file");
    assert!(read_head(&mut stream).unwrap().starts_with("HTTP/1.1 200"));
    let reader = std::thread::spawn(move || sha256_of(&mut stream).unwrap());
    let carried = || LinkBytes::of(&site.kernel, Site::LINKS[1]).received;
    wait_until("the second link to carry", DEADLINE, || carried() > 1 << 20);
    site.kernel.ip(&["link", "set", Site::LINKS[1], "down"]);
    let before = LinkBytes::of(&site.kernel, Site::LINKS[0]).received;
    wait_until("the first link to go on", DEADLINE, || {
        LinkBytes::of(&site.kernel, Site::LINKS[0]).received > before + (4 << 20)
    });
    site.kernel.ip(&["link", "set", Site::LINKS[1], "up"]);
    assert_eq!(reader.join().unwrap(), file);
}
