//! Where received frames belong, by a look at their first bytes.

use super::Last;
use crate::base::{ChecksumState, CoreIndex, FourTuple, Packet, PortIndex, Token};
use crate::endpoint::Endpoint;
use crate::endpoint::demux::TupleHash;
use crate::wire::{EtherType, Ethernet, Ipv4, Ipv6, MpJoin, MptcpOption, Tcp, TcpFlags, protocol};
use std::net::{IpAddr, SocketAddr};

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// To this core.
    Here,
    /// To that one: it is handed over as it came.
    There(CoreIndex),
    /// Nobody knows yet: [`sort_again`](Endpoint::sort_again) after the next
    /// messages.
    Later,
}

/// Addresses and ports as they lie in an IPv4 frame: enough to tell that a
/// frame is of the same subflow as the one before.
pub(super) type Ends = [u8; 12];

impl<P: Packet> Endpoint<P> {
    /// Where a received frame belongs, by its first bytes. For hosts with others
    /// beside them; a host alone keeps everything.
    pub fn sort(&mut self, port: PortIndex, head: &[u8]) -> Sorted {
        let Some(cores) = &self.cores else { return Sorted::Here };
        let ends = ends_of(head);
        if let Some(last) = &cores.last
            && last.port == port
            && ends == Some(last.ends)
        {
            return last.sorted;
        }
        self.sort_first(port, head, ends)
    }

    /// Sorts a frame that is not of the same subflow as the one before. Apart, so
    /// that the others need not save what this uses.
    #[inline(never)]
    fn sort_first(&mut self, port: PortIndex, head: &[u8], ends: Option<Ends>) -> Sorted {
        let Some(peeked) = peek(head) else { return Sorted::Here };
        let hash = self.demux.hash(&peeked.tuple);
        let sorted = self.sort_segment(hash, &peeked);
        if let Some(cores) = &mut self.cores {
            // What nobody knows now, the next message may tell.
            let ends = ends.filter(|_| sorted != Sorted::Later);
            cores.last = ends.map(|ends| Last { port, ends, sorted });
        }
        sorted
    }

    /// The second look at a frame that was to be looked at later.
    pub fn sort_again(&mut self, port: PortIndex, head: &[u8]) -> Sorted {
        match self.sort(port, head) {
            // Nobody's: it is answered here.
            Sorted::Later => Sorted::Here,
            sorted => sorted,
        }
    }

    fn sort_segment(&self, hash: TupleHash, peeked: &Peeked) -> Sorted {
        let Some(cores) = &self.cores else { return Sorted::Here };
        if let Some(owner) = cores.claim_of(hash, &peeked.tuple) {
            return Sorted::There(owner);
        }
        if self.owner_by(hash, &peeked.tuple).is_some() || self.time_waits.contains(hash, &peeked.tuple) {
            return Sorted::Here;
        }
        if peeked.flags.contains(TcpFlags::SYN) && !peeked.flags.contains(TcpFlags::ACK) {
            // A join belongs to its connection's core; whatever else begins, begins where it comes to.
            let core = peeked.join.map(|token| cores.steering.core_of_token(token));
            return core.filter(|&core| core != cores.steering.core).map_or(Sorted::Here, Sorted::There);
        }
        Sorted::Later
    }
}

/// What sorting looks at.
#[derive(Debug)]
struct Peeked {
    tuple: FourTuple,
    flags: TcpFlags,
    /// The token of a SYN with MP_JOIN.
    join: Option<Token>,
}

/// The ends of a plain IPv4 frame with a TCP segment that begins nothing: what a SYN
/// is about, its ends alone do not say.
fn ends_of(head: &[u8]) -> Option<Ends> {
    /// Ethernet, IPv4 without options and TCP to its flags, whose places are known.
    const BYTES: usize = 48;
    let head: &[u8; BYTES] = head.first_chunk()?;
    let is_plain = head[12..15] == [8, 0, 0x45] && head[20..22] == [0x40, 0] && head[23] == protocol::TCP;
    let begins = TcpFlags(head[47]).contains(TcpFlags::SYN);
    if is_plain && !begins { head[26..].first_chunk().copied() } else { None }
}

/// Looks into a frame as far as it takes to know whose it is; `None`: it is no
/// whole TCP segment.
fn peek(head: &[u8]) -> Option<Peeked> {
    let ethernet = Ethernet::parse(head).ok()?;
    let ip = head.get(ethernet.header_bytes()..)?;
    let (source, destination, upper, protocol): (IpAddr, IpAddr, _, _) = match ethernet.ether_type {
        EtherType::IPV4 => {
            let header = Ipv4::parse(ip, usize::MAX, ChecksumState::Good).ok()?;
            if header.is_fragment() {
                return None;
            }
            (
                header.source.into(),
                header.destination.into(),
                usize::from(header.header_bytes),
                header.protocol,
            )
        }
        EtherType::IPV6 => {
            let header = Ipv6::parse(ip, usize::MAX).ok()?;
            if header.fragment {
                return None;
            }
            (
                header.source.into(),
                header.destination.into(),
                usize::from(header.header_bytes),
                header.protocol,
            )
        }
        _ => return None,
    };
    if protocol != protocol::TCP {
        return None;
    }
    let segment = Tcp::parse(ip.get(upper..)?).ok()?;
    let tuple = FourTuple {
        local: SocketAddr::new(destination, segment.destination_port),
        remote: SocketAddr::new(source, segment.source_port),
    };
    let join = segment.options.mptcp.others.iter().find_map(|option| match option {
        MptcpOption::Join(MpJoin::Syn { token, .. }) => Some(*token),
        _ => None,
    });
    Some(Peeked { tuple, flags: segment.flags, join })
}
