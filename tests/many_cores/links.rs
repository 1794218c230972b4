//! Links that fail under an endpoint of two cores, and its end.

use crate::crew::{on_both_cores, two_cores};
use crate::support::{
    Counters, DEADLINE, HttpServer, LinkBytes, Process, RandomFile, Site, download_and_stay, is_root,
    sha256_of, wait_until,
};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

const FILE_BYTES: u64 = 64 << 20;

fn received(site: &Site, link: usize) -> u64 {
    LinkBytes::of(&site.kernel, Site::LINKS[link]).received
}

#[test]
fn downloads_from_both_cores_survive_a_link_that_goes_and_comes() {
    if !is_root("downloads_from_both_cores_survive_a_link_that_goes_and_comes") {
        return;
    }
    let site = two_cores("cores-flap");
    let file = RandomFile::write(&site.path("file"), FILE_BYTES, 8);
    let _server = site.serve(site.folder.path());
    let mut streams = on_both_cores(&site);
    let is_enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for stream in &mut streams {
            scope.spawn(|| {
                while !is_enough.load(Ordering::Relaxed) {
                    download_and_stay(stream, &file);
                }
            });
        }
        wait_until("the second link to carry", DEADLINE, || received(&site, 1) > 1 << 20);
        site.kernel.ip(&["link", "set", Site::LINKS[1], "down"]);
        let before = received(&site, 0);
        wait_until("the first link to go on", DEADLINE, || received(&site, 0) > before + (16 << 20));
        let before = received(&site, 1);
        site.kernel.ip(&["link", "set", Site::LINKS[1], "up"]);
        wait_until("the second link to carry again", DEADLINE, || received(&site, 1) > before + (4 << 20));
        is_enough.store(true, Ordering::Relaxed);
    });
    site.assert_clean();
    assert_eq!(site.counts().sum("FrameNotHandedOver"), 0);
}

#[test]
fn a_download_by_two_cores_survives_the_loss_of_a_link() {
    if !is_root("a_download_by_two_cores_survives_the_loss_of_a_link") {
        return;
    }
    let site = two_cores("cores-loss");
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
    download.success(DEADLINE);
    assert_eq!(sha256_of(std::fs::File::open(&output).unwrap()).unwrap(), file);
    // What the first link had not brought came over the second.
    assert!(carried(Site::LINKS[1]) > file.bytes / 4);
}

#[test]
fn a_signal_ends_the_connections_of_both_cores_in_order() {
    if !is_root("a_signal_ends_the_connections_of_both_cores_in_order") {
        return;
    }
    let site = two_cores("cores-end");
    let file = RandomFile::write(&site.path("file"), 1 << 20, 9);
    let mut server = site.serve(site.folder.path());
    let mut streams = on_both_cores(&site);
    streams.iter_mut().for_each(|stream| download_and_stay(stream, &file));
    let pages = mpdk::control::statistics_folder(site.prefix());
    assert!(pages.join("core-1").exists());

    server.signal(libc::SIGTERM);
    for mut stream in streams {
        // DATA_FIN, or it would be an error.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(server.wait(DEADLINE).code(), Some(0), "{}", server.errors());
    assert!(!pages.exists(), "no page is left behind");
    site.assert_clean();
    let counters = Counters::of(&site.kernel);
    for none in ["MPTcpExtMPRstRx", "MPTcpExtMPFastcloseRx", "MPTcpExtMPCurrEstab"] {
        assert_eq!(counters.get(none), 0, "{none}");
    }
}
