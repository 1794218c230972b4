//! Connections and subflows that others open.

use super::Endpoint;
use super::config::SUPER_SEGMENT_MOST;
use super::listener::Admission;
use super::route::route;
use super::segment::Stranger;
use super::segmentation::CUTS_MOST;
use super::slot::Standing;
use crate::base::{Context, FourTuple, ListenerId, Outcome, Packet, SeqNumber, Token};
use crate::mptcp::{Connection, Path};
use crate::tcp;
use crate::wire::ResetReason;

/// Bytes of IPv6 and TCP header with every option.
const HEADERS_MOST: usize = 40 + 60;

impl<P: Packet> Endpoint<P> {
    /// A SYN for a listener.
    pub(super) fn handle_syn(
        &mut self,
        cx: &mut Context<'_>,
        stranger: &Stranger<'_>,
        listener: ListenerId,
        after: Option<SeqNumber>,
    ) {
        // Refused SYNs are dropped, not reset: an honest peer tries again.
        match self.listeners.admit(listener, cx.now - self.limits.half_open_grace) {
            Admission::Admit => {}
            Admission::Replace(oldest) => {
                cx.count(Outcome::TcpListenOverflow);
                self.forget(oldest);
            }
            Admission::Refuse => return cx.count(Outcome::TcpListenOverflow),
        }
        let Some(id) = self.next_connection(cx) else { return cx.count(Outcome::TcpConnectionLimit) };
        let Some(path) = self.path(cx, stranger.tuple) else { return cx.count(Outcome::NoRoute) };
        let Some(key) = self.draw_key(cx) else { return cx.count(Outcome::MpFallbackTokenInit) };
        let sequence = self.initial_sequence(cx, &path.tuple, after);
        let config = self.mptcp.clone();
        let connection = Connection::accept(config, path, key, sequence, stranger.segment, cx);
        let order = self.listeners.begin(listener, id, cx.now);
        self.insert_connection(id, connection, path, Standing::HalfOpen(listener, order));
    }

    /// A SYN with MP_JOIN (RFC 8684 §3.2).
    pub(super) fn handle_join(
        &mut self,
        cx: &mut Context<'_>,
        stranger: &Stranger<'_>,
        token: Token,
        after: Option<SeqNumber>,
    ) {
        let Some(id) = self.demux.by_token(token) else {
            cx.count(Outcome::MpJoinNoToken);
            // A TIME_WAIT of its 4-tuple drew it here, and is gone: when it comes
            // again it comes to the other core.
            if self.is_others_token(token) {
                return;
            }
            // RFC 8684 §3.2: "MPTCP-specific error" for an unknown token.
            return self.refuse(cx, stranger, Some(ResetReason::Mptcp));
        };
        let Some(path) = self.path(cx, stranger.tuple) else { return cx.count(Outcome::NoRoute) };
        let sequence = self.initial_sequence(cx, &path.tuple, after);
        let Some(connection) = self.touch(id) else { return };
        match connection.handle_join(cx, path, sequence, stranger.segment) {
            Ok(subflow) => self.insert_way(id, subflow, path),
            Err(refused) => self.refuse(cx, stranger, Some(refused.0)),
        }
    }

    /// RFC 6528; beyond all that a connection of the same 4-tuple in TIME_WAIT
    /// used (RFC 9293 §3.10.7.4).
    pub(super) fn initial_sequence(
        &self,
        cx: &Context<'_>,
        tuple: &FourTuple,
        after: Option<SeqNumber>,
    ) -> SeqNumber {
        const BEYOND_ANY_WINDOW_FIELD: usize = 1 << 16;
        match after {
            Some(after) => after + BEYOND_ANY_WINDOW_FIELD,
            None => tcp::initial_sequence(&self.secret, tuple, cx.now),
        }
    }

    /// The way of a subflow with these ends.
    pub(super) fn path(&self, cx: &Context<'_>, tuple: FourTuple) -> Option<Path> {
        let (source, destination) = (tuple.local.ip(), tuple.remote.ip());
        let route = route(&self.ports, source, destination)?;
        let port = &self.port(route.port)?.config;
        let mtu = self.path_mtus.of(cx.now, destination, port.mtu);
        let super_segment_bytes = match port.super_segment_bytes {
            // Cut here.
            0 => (CUTS_MOST * (usize::from(mtu).saturating_sub(HEADERS_MOST))).min(SUPER_SEGMENT_MOST),
            bytes => bytes,
        };
        Some(Path { tuple, port: route.port, mtu, super_segment_bytes })
    }
}
