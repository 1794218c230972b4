//! A connection as its client may see it.

use super::host::Host;
use crate::base::{ConnectionId, Packet};
use crate::endpoint::{SubflowInfo, SubflowState};
use crate::shm;

impl<D: Packet + 'static> Host<D> {
    /// One connection and its subflows; `None` if nothing is left of it but
    /// unread data.
    pub(super) fn describe(&self, id: ConnectionId) -> Option<shm::ConnectionInfo> {
        let info = self.endpoint.info(id)?;
        let mut described = shm::ConnectionInfo {
            token: if info.fallback { 0 } else { info.token.0 },
            fallback: u8::from(info.fallback),
            taken_over_frames: info.taken_over_frames,
            ..shm::ConnectionInfo::default()
        };
        for subflow in &info.subflows {
            let statistics = &subflow.statistics;
            described.bytes_sent += statistics.bytes_sent;
            described.bytes_received += statistics.bytes_received;
            described.bytes_acked += statistics.bytes_acknowledged;
            described.retransmits += statistics.retransmissions;
        }
        for (place, subflow) in described.subflows.iter_mut().zip(&info.subflows) {
            *place = self.describe_subflow(subflow);
            described.subflow_count += 1;
        }
        Some(described)
    }

    fn describe_subflow(&self, subflow: &SubflowInfo) -> shm::SubflowInfo {
        let statistics = &subflow.statistics;
        let name = self.endpoint.port_config(subflow.path.port).map_or("", |port| port.name.as_str());
        let mut interface = [0; 16];
        for (place, byte) in interface.iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        shm::SubflowInfo {
            state: linux_state(subflow.state),
            port_index: subflow.path.port.0,
            backup: u8::from(subflow.backup),
            reserved: 0,
            srtt_us: subflow.smoothed_rtt.map_or(0, |rtt| saturate(rtt.as_micros())),
            bytes_sent: statistics.bytes_sent,
            bytes_received: statistics.bytes_received,
            retransmits: statistics.retransmissions,
            cwnd_bytes: saturate(subflow.congestion_window_bytes as u64),
            in_flight_bytes: saturate(subflow.in_flight_bytes as u64),
            local: subflow.path.tuple.local.into(),
            remote: subflow.path.tuple.remote.into(),
            interface,
        }
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Linux's numbers (`include/net/tcp_states.h`), which the contract uses.
const fn linux_state(state: SubflowState) -> u8 {
    match state {
        SubflowState::Established => 1,
        SubflowState::SynSent => 2,
        SubflowState::SynReceived => 3,
        SubflowState::FinWait1 => 4,
        SubflowState::FinWait2 => 5,
        SubflowState::TimeWait => 6,
        SubflowState::Closed => 7,
        SubflowState::CloseWait => 8,
        SubflowState::LastAck => 9,
        SubflowState::Closing => 11,
    }
}
