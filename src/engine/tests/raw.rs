//! A client without manners: it puts on its ring whatever it likes.

use mpdk_client::{Attachment, Producer, Region, Ring, Submission};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct RawClient {
    region: Arc<Region>,
    submissions: Producer<Ring>,
    /// The engine takes a closed doorbell for the client's death.
    _doorbell: mpdk_client::Doorbell,
    /// And this for somebody who reads.
    _packets: Option<mpdk_client::PacketView>,
}

impl RawClient {
    pub(super) fn new(attachment: Attachment) -> Self {
        let region = Arc::new(attachment.region);
        let submissions = Producer::new(region.submission_ring()).unwrap();
        Self { region, submissions, _doorbell: attachment.doorbell, _packets: attachment.packets }
    }

    pub(super) fn submit(&mut self, submission: Submission) {
        assert!(self.submissions.push(&submission.encode()).unwrap());
        self.submissions.publish();
    }

    /// Whether the engine has let go of it.
    pub(super) fn is_abandoned(&self) -> bool {
        self.region.engine().closed.load(Ordering::Acquire) != 0
    }
}
