//! What the cores of a host tell each other.

use crate::base::{Context, CoreIndex, Outcome, PackedTuple, Packet, PortIndex};
use crate::endpoint::Endpoint;
use crate::endpoint::neighbour::Evidence;
use crate::wire::{IcmpQuote, MacAddress};
use std::net::IpAddr;

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

impl<P: Packet> Endpoint<P> {
    /// The next message for another core. It has to get there, before anything
    /// that is sent from now on.
    pub fn poll_core_message(&mut self) -> Option<(CoreIndex, CoreMessage)> {
        self.cores.as_mut()?.outgoing.pop_front()
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
    pub(in crate::endpoint) fn publish(&mut self, message: CoreMessage) {
        if let Some(cores) = &mut self.cores {
            cores.tell(None, message);
        }
    }

    /// The others learn what a neighbour said.
    pub(in crate::endpoint) fn publish_neighbour(
        &mut self,
        index: usize,
        address: IpAddr,
        mac: Option<MacAddress>,
        evidence: Evidence,
    ) {
        let port = PortIndex(index as u8);
        self.publish(CoreMessage::Neighbour(Sighting { port, address, mac, evidence }));
    }
}
