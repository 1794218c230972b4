//! One core's host among several that share ports and addresses.
//!
//! A connection belongs to one core. Most of its frames come to that core's
//! queues, because local ports and keys are drawn until they do. For the others
//! there are claims: the owner says to the core whose queue they come to that
//! they are its own, and gets them from there. What a core learns of neighbours
//! and routers it tells the others: each has tables of its own, and reads them
//! without asking anybody.
//!
//! Messages are handed to the cores before the frames that answer what was
//! sent after them: a core that takes in its messages before it sorts, and
//! looks twice at frames which nobody knows, with its messages in between,
//! misses no claim.

use super::demux::TupleHash;
use super::neighbour::Evidence;
use super::{Endpoint, Steering};
use crate::base::{
    ChecksumState, Context, CoreIndex, FourTuple, Outcome, PackedTuple, Packet, PortIndex, Token,
};
use crate::wire::{
    EtherType, Ethernet, IcmpQuote, Ipv4, Ipv6, MacAddress, MpJoin, MptcpOption, Tcp, TcpFlags, protocol,
};
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// What one core's host tells another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreMessage {
    /// Segments from the remote end are mine.
    Claim(PackedTuple),
    /// They are not any more.
    Disclaim(PackedTuple),
    /// A neighbour said where it is.
    Neighbour(Sighting),
    /// A router could not deliver a segment that is not mine.
    Unreachable(IcmpQuote),
    /// A segment that is not mine was too long for a link of `mtu` bytes.
    TooBig {
        /// What the link takes.
        mtu: u32,
        /// The segment.
        quote: IcmpQuote,
    },
}

/// What a neighbour said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    port: PortIndex,
    address: IpAddr,
    mac: Option<MacAddress>,
    evidence: Evidence,
}

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

/// What a host that has others beside it knows of them.
#[derive(Debug)]
pub(super) struct Cores {
    pub(super) steering: Steering,
    /// Ends whose segments come here and belong elsewhere.
    claims: HashTable<Claim>,
    /// Ends of ours whose segments come to others.
    claimed: HashTable<Claimed>,
    claims_most: usize,
    outgoing: VecDeque<(CoreIndex, CoreMessage)>,
    /// Where the last segment of a subflow belonged, until a claim comes or goes.
    last: Option<Last>,
    /// Who handed over the frames at hand.
    pub(super) from: Option<CoreIndex>,
}

/// A segment and where it belongs: those of a burst mostly follow each other.
#[derive(Debug)]
struct Last {
    port: PortIndex,
    ends: Ends,
    sorted: Sorted,
}

#[derive(Debug)]
struct Claim {
    hash: TupleHash,
    tuple: PackedTuple,
    owner: CoreIndex,
}

#[derive(Debug)]
struct Claimed {
    hash: TupleHash,
    tuple: PackedTuple,
    /// To whom they come; `None`: nobody knows, everybody was told.
    at: Option<CoreIndex>,
}

/// Addresses and ports as they lie in an IPv4 frame: enough to tell that a
/// frame is of the same subflow as the one before.
type Ends = [u8; 12];

impl Cores {
    pub(super) fn new(steering: Steering, claims_most: usize) -> Self {
        Self {
            steering,
            claims: HashTable::new(),
            claimed: HashTable::new(),
            claims_most,
            outgoing: VecDeque::new(),
            last: None,
            from: None,
        }
    }

    fn tell(&mut self, core: Option<CoreIndex>, message: CoreMessage) {
        let this = self.steering.core;
        match core {
            Some(core) => self.outgoing.push_back((core, message)),
            None => {
                let others = (0..self.steering.cores).map(CoreIndex).filter(|&other| other != this);
                self.outgoing.extend(others.map(|other| (other, message)));
            }
        }
    }

    fn claim_of(&self, hash: TupleHash, tuple: &FourTuple) -> Option<CoreIndex> {
        if self.claims.is_empty() {
            return None;
        }
        let tuple = PackedTuple::from(*tuple);
        self.claims
            .find(hash.spread(), |claim| claim.hash == hash && claim.tuple == tuple)
            .map(|claim| claim.owner)
    }

    /// Takes in a claim; `false`: there are too many.
    fn claim(&mut self, hash: TupleHash, tuple: PackedTuple, owner: CoreIndex) -> bool {
        self.disclaim(hash, tuple, None);
        if self.claims.len() >= self.claims_most {
            return false;
        }
        self.claims.insert_unique(hash.spread(), Claim { hash, tuple, owner }, |claim| claim.hash.spread());
        true
    }

    /// Ends a claim, if it is `owner`'s or `owner` is nobody.
    fn disclaim(&mut self, hash: TupleHash, tuple: PackedTuple, owner: Option<CoreIndex>) {
        self.last = None;
        let is_it = |claim: &Claim| {
            claim.hash == hash && claim.tuple == tuple && owner.is_none_or(|owner| owner == claim.owner)
        };
        if let Ok(claim) = self.claims.find_entry(hash.spread(), is_it) {
            claim.remove();
        }
    }
}

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
        // What a SYN is about, its ends alone do not say.
        if sorted != Sorted::Later
            && !peeked.flags.contains(TcpFlags::SYN)
            && let Some(cores) = &mut self.cores
        {
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
        if peeked.flags.contains(TcpFlags::SYN) && !peeked.flags.contains(TcpFlags::ACK) {
            // A join belongs to its connection's core; whatever else begins, begins where it comes to.
            let core = peeked.join.map(|token| cores.steering.core_of_token(token));
            return core.filter(|&core| core != cores.steering.core).map_or(Sorted::Here, Sorted::There);
        }
        let is_known = self.owner_by(hash, &peeked.tuple).is_some()
            || self.time_waits.contains(hash, &peeked.tuple)
            // Nobody answers it.
            || peeked.flags.contains(TcpFlags::RST);
        if is_known { Sorted::Here } else { Sorted::Later }
    }

    /// How many 4-tuples' segments come here and belong elsewhere, or the other way
    /// round.
    pub fn claim_count(&self) -> usize {
        self.cores.as_ref().map_or(0, |cores| cores.claims.len() + cores.claimed.len())
    }

    /// Whether what is to be said once per host is this core's to say.
    pub(super) fn is_first_core(&self) -> bool {
        self.cores.as_ref().is_none_or(|cores| cores.steering.core == CoreIndex(0))
    }

    /// The next message for another core. It has to get there, before anything
    /// that is sent from now on.
    pub fn poll_core_message(&mut self) -> Option<(CoreIndex, CoreMessage)> {
        self.cores.as_mut()?.outgoing.pop_front()
    }

    /// The frames taken in until the next call were handed over by `from`.
    pub fn receive_for(&mut self, from: Option<CoreIndex>) {
        if let Some(cores) = &mut self.cores {
            cores.from = from;
        }
    }

    /// Takes in a message of another core.
    pub fn handle_core_message(&mut self, cx: &mut Context<'_>, from: CoreIndex, message: CoreMessage) {
        let Some(cores) = &mut self.cores else { return };
        match message {
            CoreMessage::Claim(tuple) => {
                let hash = self.demux.hash(&tuple.into());
                if !cores.claim(hash, tuple, from) {
                    cx.count(Outcome::CoreClaimsFull);
                }
            }
            CoreMessage::Disclaim(tuple) => {
                cores.disclaim(self.demux.hash(&tuple.into()), tuple, Some(from));
            }
            CoreMessage::Neighbour(Sighting { port, address, mac, evidence }) => {
                let index = usize::from(port.0);
                match mac {
                    Some(mac) => self.learn_quietly(cx, index, address, mac, evidence),
                    None => self.confirm_quietly(cx, index, address),
                }
            }
            CoreMessage::Unreachable(quote) => self.handle_unreachable_here(cx, &quote),
            CoreMessage::TooBig { mtu, quote } => self.handle_too_big_here(cx, mtu, &quote),
        }
    }

    /// Tells all others.
    pub(super) fn publish(&mut self, message: CoreMessage) {
        if let Some(cores) = &mut self.cores {
            cores.tell(None, message);
        }
    }

    /// The others learn what a neighbour said.
    pub(super) fn publish_neighbour(
        &mut self,
        index: usize,
        address: IpAddr,
        mac: Option<MacAddress>,
        evidence: Evidence,
    ) {
        let port = PortIndex(index as u8);
        self.publish(CoreMessage::Neighbour(Sighting { port, address, mac, evidence }));
    }

    /// A 4-tuple is ours from now on: whoever gets its segments hears of it.
    pub(super) fn claim_tuple(&mut self, port: PortIndex, tuple: &FourTuple) {
        let Some(cores) = &mut self.cores else { return };
        let known = cores.from.or_else(|| cores.steering.core_of_segment(port, tuple));
        if known == Some(cores.steering.core) {
            return;
        }
        let (hash, packed) = (self.demux.hash(tuple), PackedTuple::from(*tuple));
        let claimed = Claimed { hash, tuple: packed, at: known };
        cores.claimed.insert_unique(hash.spread(), claimed, |claimed| claimed.hash.spread());
        cores.tell(known, CoreMessage::Claim(packed));
    }

    /// A 4-tuple is free again.
    pub(super) fn disclaim_tuple(&mut self, tuple: &FourTuple) {
        let Some(cores) = &mut self.cores else { return };
        if cores.claimed.is_empty() {
            return;
        }
        let (hash, packed) = (self.demux.hash(tuple), PackedTuple::from(*tuple));
        let is_it = |claimed: &Claimed| claimed.hash == hash && claimed.tuple == packed;
        if let Ok(found) = cores.claimed.find_entry(hash.spread(), is_it) {
            let (claimed, _) = found.remove();
            cores.tell(claimed.at, CoreMessage::Disclaim(packed));
        }
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

/// The ends of a plain IPv4 frame with a TCP segment.
fn ends_of(head: &[u8]) -> Option<Ends> {
    /// Ethernet, IPv4 without options and the ports, whose places are known.
    const BYTES: usize = 38;
    let head: &[u8; BYTES] = head.first_chunk()?;
    let is_plain = head[12..15] == [8, 0, 0x45] && head[20..22] == [0x40, 0] && head[23] == protocol::TCP;
    if is_plain { head.last_chunk().copied() } else { None }
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
