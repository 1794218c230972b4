//! The answer to a segment that belongs to no connection.

use crate::base::SeqNumber;
use crate::wire::{Tcp, TcpFlags};

/// The RST that answers a segment without a connection (RFC 9293 §3.10.7.1):
/// (sequence, acknowledgement, flags); `None` for an RST.
pub fn reset_for(segment: &Tcp, payload_bytes: usize) -> Option<(SeqNumber, SeqNumber, TcpFlags)> {
    if segment.flags.contains(TcpFlags::RST) {
        return None;
    }
    if segment.flags.contains(TcpFlags::ACK) {
        return Some((segment.acknowledgement, SeqNumber(0), TcpFlags::RST));
    }
    let control =
        [TcpFlags::SYN, TcpFlags::FIN].into_iter().filter(|&flag| segment.flags.contains(flag)).count();
    let acknowledgement = segment.sequence + (payload_bytes + control);
    Some((SeqNumber(0), acknowledgement, TcpFlags::RST.with(TcpFlags::ACK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::TcpOptions;

    fn segment(flags: TcpFlags) -> Tcp {
        Tcp {
            source_port: 1,
            destination_port: 2,
            sequence: SeqNumber(100),
            acknowledgement: SeqNumber(200),
            flags,
            window: 0,
            urgent: 0,
            options: TcpOptions::default(),
            header_bytes: 20,
        }
    }

    #[test]
    fn takes_its_sequence_from_an_acknowledgement() {
        let answer = reset_for(&segment(TcpFlags::ACK), 10);
        assert_eq!(answer, Some((SeqNumber(200), SeqNumber(0), TcpFlags::RST)));
    }

    #[test]
    fn acknowledges_what_came_without_one() {
        let answer = reset_for(&segment(TcpFlags::SYN.with(TcpFlags::FIN)), 10);
        assert_eq!(answer, Some((SeqNumber(0), SeqNumber(112), TcpFlags::RST.with(TcpFlags::ACK))));
    }

    #[test]
    fn never_answers_a_reset() {
        assert_eq!(reset_for(&segment(TcpFlags::RST.with(TcpFlags::ACK)), 0), None);
    }
}
