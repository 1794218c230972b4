//! TCP segments on their way in: to the connection of their 4-tuple, to a
//! listener, or back as RST.

use super::Endpoint;
use super::path_header::HOP_LIMIT;
use super::receive::Arrival;
use super::send::OwnPacket;
use super::time_waits::Met;
use crate::base::{ChecksumState, Context, FourTuple, Outcome, Packet, ReceiveMeta, SeqNumber, Token};
use crate::tcp;
use crate::wire::{
    MpJoin, MptcpOption, OptionBytes, ResetReason, Tcp, TcpFlags, TcpOptions, protocol, pseudo_header,
};
use std::net::SocketAddr;

/// A segment that belongs to no connection.
#[derive(Debug)]
pub(super) struct Stranger<'a> {
    pub(super) tuple: FourTuple,
    pub(super) segment: &'a Tcp,
    pub(super) payload_bytes: usize,
}

impl Stranger<'_> {
    /// Whether it asks for a connection or subflow: SYN and nothing that
    /// contradicts it.
    fn is_request(&self) -> bool {
        let contradicting = TcpFlags::ACK.with(TcpFlags::RST).with(TcpFlags::FIN);
        self.segment.flags.contains(TcpFlags::SYN) && !self.segment.flags.intersects(contradicting)
    }

    /// The token of a SYN with MP_JOIN.
    fn join_token(&self) -> Option<Token> {
        self.segment.options.mptcp.others.iter().find_map(|option| match option {
            MptcpOption::Join(MpJoin::Syn { token, .. }) => Some(*token),
            _ => None,
        })
    }
}

impl<P: Packet> Endpoint<P> {
    /// Takes in a segment; `packet` begins with the TCP header. The addresses in
    /// `arrival` were not looked at yet: those of a connection's segment on its
    /// own port are the ones that it was opened with.
    pub(super) fn handle_tcp(
        &mut self,
        cx: &mut Context<'_>,
        arrival: &mut Arrival,
        mut packet: P,
        meta: ReceiveMeta,
    ) {
        let mut segment = Tcp::default();
        if segment.read(packet.head()).is_err() {
            if self.admits_segment(cx, arrival) {
                cx.count(Outcome::TcpMalformed);
            }
            return;
        }
        let tuple = FourTuple {
            local: SocketAddr::new(arrival.destination, segment.destination_port),
            remote: SocketAddr::new(arrival.source, segment.source_port),
        };
        let found = self.owner_of_segment(&tuple);
        let is_known = arrival.to_us_alone && found.is_some_and(|(_, port)| port == arrival.port);
        if !is_known && !self.admits_segment(cx, arrival) {
            return;
        }
        if !is_checksum_valid(arrival, &packet, meta.l4_checksum) {
            return cx.count(Outcome::TcpChecksumBad);
        }
        packet.trim_front(usize::from(segment.header_bytes));
        let Some((owner, _)) = found else {
            let stranger = Stranger { tuple, segment: &segment, payload_bytes: packet.len() };
            return match self.show_time_wait(cx, &stranger) {
                Met::Nothing => self.handle_stranger(cx, &stranger, None),
                Met::GaveWay(after) => self.handle_stranger(cx, &stranger, Some(after)),
                Met::TimeWait => {}
            };
        };
        self.deliver_or_merge(cx, arrival, owner, &segment, packet);
    }

    /// RFC 1122 §4.2.3.10: a segment to a group or everybody is none.
    fn admits_segment(&self, cx: &mut Context<'_>, arrival: &mut Arrival) -> bool {
        if !self.admits(cx, arrival) {
            return false;
        }
        if !arrival.to_us_alone {
            cx.count(Outcome::IpNotForUs);
        }
        arrival.to_us_alone
    }

    /// `after`: where the previous connection of the same 4-tuple ended.
    fn handle_stranger(&mut self, cx: &mut Context<'_>, stranger: &Stranger<'_>, after: Option<SeqNumber>) {
        if !stranger.is_request() {
            cx.count(Outcome::TcpNoListener);
            return self.refuse(cx, stranger, None);
        }
        // RFC 8684 §3.2: a join is found by its token, whatever its port.
        if let Some(token) = stranger.join_token() {
            return self.handle_join(cx, stranger, token, after);
        }
        match self.listeners.find(stranger.tuple.local) {
            Some(listener) => self.handle_syn(cx, stranger, listener, after),
            None => {
                cx.count(Outcome::TcpNoListener);
                self.refuse(cx, stranger, None);
            }
        }
    }

    /// Answers with RST (RFC 9293 §3.10.7.1), and with MP_TCPRST if there is a
    /// reason (RFC 8684 §3.6).
    pub(super) fn refuse(
        &mut self,
        cx: &mut Context<'_>,
        stranger: &Stranger<'_>,
        reason: Option<ResetReason>,
    ) {
        let Some((sequence, acknowledgement, flags)) =
            tcp::reset_for(stranger.segment, stranger.payload_bytes)
        else {
            return;
        };
        if !self.resets.take(cx.now) {
            return cx.count(Outcome::TcpResetLimited);
        }
        cx.count(Outcome::TcpResetSent);
        let mut options = OptionBytes::new();
        if let Some(reason) = reason {
            cx.count(Outcome::MpResetTx);
            // What is refused for want of room may be tried again (§3.6, T flag).
            let transient = matches!(reason, ResetReason::Resources | ResetReason::Prohibited);
            MptcpOption::Reset { transient, reason }.emit(&mut options);
        }
        let header = Tcp {
            source_port: stranger.tuple.local.port(),
            destination_port: stranger.tuple.remote.port(),
            sequence,
            acknowledgement,
            flags,
            window: 0,
            urgent: 0,
            options: TcpOptions::default(),
            header_bytes: Tcp::HEADER_BYTES as u8,
        };
        self.send_segment(cx, stranger.tuple, &header, &options);
    }

    /// Sends a segment without payload that is no connection's.
    pub(super) fn send_segment(
        &mut self,
        cx: &mut Context<'_>,
        tuple: FourTuple,
        header: &Tcp,
        options: &[u8],
    ) {
        let mut upper = [0; 60];
        let bytes = header.emit(options, &mut upper);
        let (source, destination) = (tuple.local.ip(), tuple.remote.ip());
        let mut sum = pseudo_header(source, destination, protocol::TCP, bytes as u32);
        sum.add(&upper[..bytes]);
        upper[Tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.finish().to_be_bytes());
        let packet = OwnPacket {
            source,
            destination,
            protocol: protocol::TCP,
            hop_limit: HOP_LIMIT,
            upper: &upper[..bytes],
            payload: None,
        };
        self.send_routed(cx, packet);
    }
}

pub(super) fn is_checksum_valid<P: Packet>(arrival: &Arrival, packet: &P, known: ChecksumState) -> bool {
    match known {
        ChecksumState::Good => true,
        ChecksumState::Bad => false,
        ChecksumState::Unknown => {
            let length_bytes = packet.len() as u32;
            let mut sum = pseudo_header(arrival.source, arrival.destination, protocol::TCP, length_bytes);
            packet.for_each_piece(&mut |bytes| sum.add(bytes));
            sum.finish() == 0
        }
    }
}
