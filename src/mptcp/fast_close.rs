//! MP_FASTCLOSE (RFC 8684 §3.5), in the form that resets every subflow
//! (option R, as Linux does); both forms are understood.

use super::connection::Connection;
use super::event::CloseReason;
use super::key::equal;
use crate::base::{Context, Key, Outcome, Packet};

impl<P: Packet> Connection<P> {
    /// Ends the connection at once: MP_FASTCLOSE, or RST after a fallback.
    /// Data not yet sent or read is lost.
    pub fn abort(&mut self, cx: &mut Context<'_>) {
        if !self.core.ending.is_closed() {
            self.abort_all(cx, CloseReason::Aborted);
        }
        self.settle(cx);
    }

    /// The peer wants the connection gone, if it knows our key.
    pub(super) fn handle_fast_close(&mut self, cx: &mut Context<'_>, key: Key) {
        if !equal(&key.0.to_be_bytes(), &self.core.keys.local.0.to_be_bytes()) {
            cx.count(Outcome::MpFastcloseInvalid);
            return;
        }
        cx.count(Outcome::MpFastcloseRx);
        self.abort_all(cx, CloseReason::FastClosed);
    }
}
