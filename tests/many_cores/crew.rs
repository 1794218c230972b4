//! An endpoint of two cores beside the kernel, and connections that both serve.

use crate::support::{Counters, DEADLINE, Site, wait_for, wait_until};
use std::net::TcpStream;

pub const CORES: (&str, &str) = ("eal", "cores = [0, 1]");
/// Connections until something happens that each brings about as likely as not.
pub const MOST: usize = 64;

/// A site whose endpoint has two cores.
#[track_caller]
pub fn two_cores(label: &str) -> Site {
    Site::configured(label, &[CORES])
}

/// Connections of the kernel to the endpoint's server until both cores have one,
/// each with two subflows.
#[track_caller]
pub fn on_both_cores(site: &Site) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    while streams.len() < MOST {
        let stream = site.connect();
        site.wait_for_join(&stream);
        streams.push(stream);
        let accepted = wait_for("the connection in the statistics", DEADLINE, || {
            let accepted = site.counts().each("MPTcpExtMPCapableSYNRX");
            (accepted.iter().sum::<u64>() >= streams.len() as u64).then_some(accepted)
        });
        if accepted.iter().all(|&connections| connections > 0) {
            return streams;
        }
    }
    panic!("{MOST} connections came to one core");
}

/// Neither the kernel nor the endpoint, whose connections are open, has seen anything
/// go wrong, and whatever one core handed over another took.
#[track_caller]
pub fn assert_clean(site: &Site) {
    site.assert_clean();
    let counters = Counters::of(&site.kernel);
    for bad in [
        "TcpEstabResets",
        "TcpOutRsts",
        "MPTcpExtMPRstTx",
        "MPTcpExtMPRstRx",
        "MPTcpExtMPFastcloseRx",
        "MPTcpExtMPJoinNoTokenFound",
        "MPTcpExtNoDSSInWindow",
    ] {
        assert_eq!(counters.get(bad), 0, "{bad}");
    }
    wait_until("all frames to be taken over", DEADLINE, || {
        let counts = site.counts();
        counts.assert_clean();
        counts.sum("FrameHandedOver") == counts.sum("FrameTakenOver")
    });
}
