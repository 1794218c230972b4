//! The one list of outcomes: every drop and every event that a person may want
//! counted has a name and a text here, and nowhere else. Outcomes that Linux
//! also counts carry Linux's MIB names (`nstat 'MPTcpExt*'`, `TcpExt*`).

macro_rules! outcomes {
    ($($variant:ident, $name:literal, $text:literal;)*) => {
        /// What became of a packet, or what happened: counted, never a panic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Outcome {
            $(#[doc = $text] $variant,)*
        }

        impl Outcome {
            /// Every outcome, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The counter's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a line.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

outcomes! {
    // Frames
    PayloadBytesCopied, "PayloadBytesCopied", "A byte of payload was copied inside the engine.";
    PayloadBytesLent, "PayloadBytesLent", "A byte of payload was lent to a client where it arrived.";
    FrameReceived, "FrameReceived", "A frame was received from a port.";
    FrameTruncated, "FrameTruncated", "A frame ended inside a header.";
    FrameNotForUs, "FrameNotForUs", "A frame was addressed to another MAC or VLAN.";
    EtherTypeUnknown, "EtherTypeUnknown", "A frame carried neither ARP, IPv4 nor IPv6.";
    ArpMalformed, "ArpMalformed", "An ARP packet could not be parsed.";
    IpMalformed, "IpMalformed", "An IP header could not be parsed or contradicted its length.";
    IpChecksumBad, "IpChecksumBad", "An IPv4 header checksum was wrong.";
    IpFragment, "IpFragment", "An IP fragment was dropped: fragments are not reassembled.";
    IpNotForUs, "IpNotForUs", "An IP packet was addressed to an address that is not ours.";
    IpSourceInvalid, "IpSourceInvalid", "An IP packet came from a multicast, broadcast, loopback or own address.";
    IpProtocolUnknown, "IpProtocolUnknown", "An IP packet carried a protocol that is not spoken here.";
    IcmpMalformed, "IcmpMalformed", "An ICMP message could not be parsed or its checksum was wrong.";
    IcmpIgnored, "IcmpIgnored", "An ICMP message was of no concern.";
    IcmpEchoAnswered, "IcmpEchoAnswered", "An echo request was answered.";
    IcmpRateLimited, "IcmpRateLimited", "An ICMP message was not sent: too many in this second.";
    IcmpUnreachableReceived, "IcmpUnreachableReceived", "A destination of ours is unreachable.";
    IcmpPathMtuLowered, "IcmpPathMtuLowered", "A router asked for smaller packets and the MSS was lowered.";
    IcmpNotOurs, "IcmpNotOurs", "An ICMP error quoted a packet that none of our connections can have sent.";
    NeighbourTableFull, "NeighbourTableFull", "A neighbour was not learned: the table is full.";
    NeighbourUnresolved, "NeighbourUnresolved", "A frame was dropped: its next hop did not answer.";
    NoRoute, "NoRoute", "A packet was dropped: no port leads to its destination.";
    UdpClosedPort, "UdpClosedPort", "A UDP datagram came to a port where nobody listens.";
    TransmitQueueFull, "TransmitQueueFull", "A frame was dropped: the port's transmit queue was full.";
    FrameTooLong, "FrameTooLong", "A frame was dropped: the port takes none so long.";
    LinkDown, "LinkDown", "A frame was dropped: its port has no link.";
    PacketPoolEmpty, "PacketPoolEmpty", "A frame was dropped: no packet buffer was free.";

    // TCP segments
    TcpMalformed, "TcpMalformed", "A TCP header could not be parsed or contradicted its length.";
    TcpChecksumBad, "TcpCsumErrors", "A TCP checksum was wrong.";
    TcpNoListener, "TcpNoListener", "A segment belonged to no connection and no listener.";
    TcpListenOverflow, "ListenOverflows", "A connection was refused: the listener's backlog is full.";
    TcpConnectionLimit, "TcpConnectionLimit", "A connection was refused: the endpoint's limit is reached.";
    TcpOutOfWindow, "TcpOutOfWindow", "A segment lay outside the receive window and was answered with an ACK.";
    TcpPawsRejected, "PAWSEstab", "A segment carried an old timestamp (RFC 7323 PAWS).";
    TcpAckInvalid, "TcpAckInvalid", "A segment acknowledged data never sent.";
    TcpChallengeAck, "TCPChallengeACK", "A challenge ACK was sent (RFC 5961).";
    TcpSynChallenge, "TCPSYNChallenge", "A SYN inside a connection was answered with a challenge ACK.";
    TcpChallengeAckLimited, "TcpChallengeAckLimited", "A challenge ACK was not sent: too many in this second.";
    TcpFlagsInvalid, "TcpFlagsInvalid", "A segment's flags make no sense in its state.";
    TcpDuplicate, "TcpDuplicate", "A segment carried only bytes already received.";
    TcpOutOfOrder, "TCPOFOQueue", "A segment was queued out of order.";
    TcpReassemblyFull, "TCPOFODrop", "A segment out of order was dropped: the reassembly queue is full.";
    TcpBeyondWindow, "TcpBeyondWindow", "Bytes beyond the advertised window were cut off.";
    TcpDataAfterClose, "TCPAbortOnData", "Data came for a connection whose receiver is gone.";
    TcpRetransmit, "RetransSegs", "A segment was retransmitted.";
    TcpFastRetransmit, "TCPFastRetrans", "A segment was retransmitted before the timer.";
    TcpTimeout, "TCPTimeouts", "A retransmission timer expired.";
    TcpSpuriousTimeout, "TCPSpuriousRTOs", "A retransmission timer expired although nothing was lost.";
    TcpSynRetransmit, "TCPSynRetrans", "A SYN or SYN/ACK was retransmitted.";
    TcpZeroWindowProbe, "TCPWinProbe", "A zero-window probe was sent.";
    TcpKeepalive, "TCPKeepAlive", "A keepalive probe was sent.";
    TcpTimedOut, "TCPAbortOnTimeout", "A connection was given up: the peer does not answer.";
    TcpResetReceived, "EstabResets", "A valid RST ended a connection.";
    TcpResetIgnored, "TcpResetIgnored", "An RST lay outside the window, or came in TIME_WAIT, and was ignored.";
    TcpResetSent, "OutRsts", "An RST was sent.";
    TcpResetLimited, "TcpResetLimited", "An RST was not sent: too many in this second.";
    TcpDelayedAck, "DelayedACKs", "An acknowledgement was sent by the delayed-ACK timer.";
    TcpTimeWaitOverflow, "TCPTimeWaitOverflow", "A connection in TIME_WAIT was given up for a new one.";
    TcpTimeWaitReused, "TCPTimeWaitReused", "A SYN took over a connection in TIME_WAIT.";

    // Several cores
    FrameHandedOver, "FrameHandedOver", "A frame was handed to the core that its connection belongs to.";
    FrameTakenOver, "FrameTakenOver", "A frame was taken over from the core that received it.";
    FrameNotHandedOver, "FrameNotHandedOver", "A frame for another core was dropped: the ring to that core was full.";
    CoreClaimsFull, "CoreClaimsFull", "A core had no room for another core's claim: its frames are not handed over.";

    // MPTCP: names of Linux where Linux has them
    MpCapableSynRx, "MPTcpExtMPCapableSYNRX", "A SYN with MP_CAPABLE was received.";
    MpCapableSynTx, "MPTcpExtMPCapableSYNTX", "A SYN with MP_CAPABLE was sent.";
    MpCapableSynAckRx, "MPTcpExtMPCapableSYNACKRX", "A SYN/ACK with MP_CAPABLE was received.";
    MpCapableAckRx, "MPTcpExtMPCapableACKRX", "The third ACK with MP_CAPABLE was received.";
    MpCapableFallbackAck, "MPTcpExtMPCapableFallbackACK", "The third ACK had no MP_CAPABLE: plain TCP.";
    MpCapableFallbackSynAck, "MPTcpExtMPCapableFallbackSYNACK", "The SYN/ACK had no MP_CAPABLE: plain TCP.";
    MpCapableRefused, "MPCapableRefused", "An MP_CAPABLE offered nothing acceptable and was ignored.";
    MpCapableDataFallback, "MPTcpExtMPCapableDataFallback", "The first data came without a mapping: plain TCP.";
    MpFallbackTokenInit, "MPTcpExtMPFallbackTokenInit", "No unique token was found: plain TCP.";
    MpDataRetransmit, "MPTcpExtMPTCPRetrans", "Data was reinjected onto another subflow.";
    MpJoinNoToken, "MPTcpExtMPJoinNoTokenFound", "An MP_JOIN named no connection.";
    MpJoinSynRx, "MPTcpExtMPJoinSynRx", "A SYN with MP_JOIN was received.";
    MpJoinSynTx, "MPTcpExtMPJoinSynTx", "A SYN with MP_JOIN was sent.";
    MpJoinSynAckRx, "MPTcpExtMPJoinSynAckRx", "A SYN/ACK with MP_JOIN was received.";
    MpJoinSynAckHmacFailure, "MPTcpExtMPJoinSynAckHMacFailure", "An MP_JOIN in a SYN/ACK had a wrong HMAC.";
    MpJoinAckRx, "MPTcpExtMPJoinAckRx", "The third ACK with MP_JOIN was received.";
    MpJoinAckHmacFailure, "MPTcpExtMPJoinAckHMacFailure", "An MP_JOIN in the third ACK had a wrong HMAC.";
    MpJoinRejected, "MPTcpExtMPJoinRejected", "An MP_JOIN was refused by policy or limit.";
    MpJoinBudgetSpent, "JoinBudgetSpent", "An announced address was not joined: too many joins of the connection failed.";
    MpJoinMissing, "MPJoinMissing", "A join handshake lost its MP_JOIN: the subflow was reset.";
    MpDssNotMatching, "MPTcpExtDSSNotMatching", "A mapping contradicted an earlier one.";
    MpDssChecksumMismatch, "DSSChecksumUnexpected", "A DSS checksum was present or absent against what was agreed.";
    MpDssCorruptionFallback, "MPTcpExtDSSCorruptionFallback", "A wrong DSS checksum led to fallback.";
    MpDssCorruptionReset, "MPTcpExtDSSCorruptionReset", "A wrong DSS checksum led to a reset of the subflow.";
    MpDataChecksumError, "MPTcpExtDataCsumErr", "A DSS checksum was wrong.";
    MpUnmappedData, "UnmappedData", "Data came without a mapping.";
    MpInfiniteMapTx, "MPTcpExtInfiniteMapTx", "An infinite mapping was sent.";
    MpInfiniteMapRx, "MPTcpExtInfiniteMapRx", "An infinite mapping was received.";
    MpOutOfOrder, "MPTcpExtOFOQueue", "Data was queued out of data order.";
    MpOutOfOrderFull, "OFOQueueFull", "Data out of data order was dropped: the queue is full.";
    MpReceiveFull, "ReceiveQueueFull", "Data was dropped: too many pieces wait to be read.";
    MpDuplicateData, "MPTcpExtDuplicateData", "Data came again on another subflow.";
    MpNoDssInWindow, "MPTcpExtNoDSSInWindow", "A mapping lay outside the connection's window.";
    MpDataAckInvalid, "DataAckInvalid", "A Data ACK acknowledged data never sent.";
    MpAddAddrRx, "MPTcpExtAddAddr", "An ADD_ADDR was received.";
    MpAddAddrTx, "MPTcpExtAddAddrTx", "An ADD_ADDR was sent.";
    MpAddAddrDrop, "MPTcpExtAddAddrDrop", "An ADD_ADDR was ignored: a limit or a known address.";
    MpAddAddrHmacFailure, "AddAddrHMacFailure", "An ADD_ADDR had a wrong HMAC and was ignored.";
    MpEchoAddRx, "MPTcpExtEchoAdd", "An echo of our ADD_ADDR was received.";
    MpEchoAddTx, "MPTcpExtEchoAddTx", "An ADD_ADDR was echoed.";
    MpEchoAddTxDrop, "MPTcpExtEchoAddTxDrop", "An ADD_ADDR was not echoed: too many echoes wait.";
    MpRemoveAddrRx, "MPTcpExtRmAddr", "A REMOVE_ADDR was received.";
    MpRemoveAddrTx, "MPTcpExtRmAddrTx", "A REMOVE_ADDR was sent.";
    MpRemoveAddrTxDrop, "MPTcpExtRmAddrTxDrop", "A REMOVE_ADDR was not sent: too many wait.";
    MpRemoveAddrDrop, "MPTcpExtRmAddrDrop", "A REMOVE_ADDR named an address never announced.";
    MpRemoveSubflow, "MPTcpExtRmSubflow", "A subflow was closed by REMOVE_ADDR.";
    MpPrioTx, "MPTcpExtMPPrioTx", "An MP_PRIO was sent.";
    MpPrioRx, "MPTcpExtMPPrioRx", "An MP_PRIO was received.";
    MpFailTx, "MPTcpExtMPFailTx", "An MP_FAIL was sent.";
    MpFailRx, "MPTcpExtMPFailRx", "An MP_FAIL was received.";
    MpFastcloseTx, "MPTcpExtMPFastcloseTx", "An MP_FASTCLOSE was sent.";
    MpFastcloseRx, "MPTcpExtMPFastcloseRx", "An MP_FASTCLOSE was received.";
    MpFastcloseInvalid, "FastcloseKeyInvalid", "An MP_FASTCLOSE had a wrong key and was ignored.";
    MpResetTx, "MPTcpExtMPRstTx", "An MP_TCPRST was sent.";
    MpResetRx, "MPTcpExtMPRstRx", "An MP_TCPRST was received.";
    MpSubflowStale, "MPTcpExtSubflowStale", "A subflow stopped making progress; its data went elsewhere.";
    MpSubflowRecover, "MPTcpExtSubflowRecover", "A stale subflow makes progress again.";
    MpDssFallback, "MPTcpExtDssFallback", "Options were lost after the handshake: plain TCP.";
    MpMiddleboxReset, "MiddleboxReset", "A join subflow lost its options and was reset.";
    MpOptionMalformed, "MPOptionMalformed", "An MPTCP option was malformed and ignored.";
}

/// How often each outcome came, since the start.
#[derive(Clone, Debug)]
pub struct Counters([u64; Outcome::ALL.len()]);

impl Counters {
    /// All at zero.
    pub const fn new() -> Self {
        Self([0; Outcome::ALL.len()])
    }

    /// Counts `times` of `outcome`.
    pub const fn add(&mut self, outcome: Outcome, times: u64) {
        self.0[outcome as usize] += times;
    }

    /// How often `outcome` came.
    pub const fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// The outcomes that came at least once.
    pub fn non_zero(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.iter().map(|&outcome| (outcome, self.get(outcome))).filter(|&(_, count)| count > 0)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_texts_are_sentences() {
        let names: HashSet<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        assert_eq!(names.len(), Outcome::ALL.len());
        assert!(Outcome::ALL.iter().all(|outcome| outcome.text().ends_with('.')));
    }

    #[test]
    fn counts_each_on_its_own() {
        let mut counters = Counters::new();
        counters.add(Outcome::MpPrioRx, 2);
        assert_eq!(counters.get(Outcome::MpPrioRx), 2);
        assert_eq!(counters.non_zero().collect::<Vec<_>>(), [(Outcome::MpPrioRx, 2)]);
    }
}
