//! A peer, or a stranger who knows a 4-tuple, that says anything at all.

use super::script::{Host, addresses, config};
use super::segment::{
    OUR_KEY, Segment, THEIR_KEY, add_address, capable, data_capable, remove_address, segment, tcp_reset,
    theirs,
};
use crate::base::{DataSeqNumber, Duration, Key, Random};
use crate::mptcp::Config;
use crate::wire::{DataAck, MappingSignal, MptcpOption, ResetReason};

fn any_option(random: &mut Random) -> MptcpOption {
    let id = random.below(5) as u8;
    let address = super::script::their_address(random.below(5) as u8);
    match random.below(9) {
        0 => add_address(id, address, None),
        1 => add_address(id, address, Some(random.below(3) as u16)),
        2 => remove_address(&[id, id]),
        3 => MptcpOption::Priority { backup: random.below(2) == 0 },
        4 => MptcpOption::Fail(DataSeqNumber(random.next_u64())),
        5 => MptcpOption::FastClose(Key(random.next_u64())),
        6 => tcp_reset(random.below(2) == 0, ResetReason::from_code(random.below(8) as u8)),
        7 => MptcpOption::Capable(capable(None, None)),
        _ => data_capable(random.below(3) as u16),
    }
}

fn any_offset(random: &mut Random) -> DataAck {
    let near = theirs(0).0.wrapping_add(random.below(3_000)).wrapping_sub(1_000);
    match random.below(4) {
        0 => DataAck::Short(random.next_u32()),
        1 => DataAck::Long(DataSeqNumber(random.next_u64())),
        2 => DataAck::Short(near as u32),
        _ => DataAck::Long(DataSeqNumber(near)),
    }
}

fn any_segment(random: &mut Random) -> Segment {
    let flags = [".", ".", ".", ".", ".", "F.", "R.", "S", "S.", ""][random.below(10) as usize];
    let mut any = segment(flags, random.below(1_200) as i64 - 50, random.below(800) as i64 - 5)
        .window([0, 1, 100, 65_535][random.below(4) as usize])
        .bytes(vec![1; [0, 0, 1, 100, 999][random.below(5) as usize]]);
    if random.below(2) == 0 {
        let checksum = (random.below(4) == 0).then_some(0);
        any = any.raw_map(MappingSignal {
            data_sequence: any_offset(random),
            subflow_offset: [random.below(1_200) as u32, random.next_u32()][random.below(2) as usize],
            length: [0, 1, 100, 65_535][random.below(4) as usize],
            checksum,
        });
        if random.below(5) == 0 && any.mapping_length() > 0 {
            any = any.flag_fin();
        }
    }
    if random.below(3) == 0 {
        any = any.raw_ack(any_offset(random));
    }
    if random.below(3) == 0 {
        any = any.option(any_option(random));
    }
    any
}

#[test]
fn whatever_is_said_in_a_handshake_nothing_panics_or_spins() {
    for seed in 0..3_000 {
        let mut random = Random::from_number(seed);
        let config = Config { addresses: addresses(3), ..config() };
        let mut host = match random.below(3) {
            0 => Host::accept(config, &segment("S", 0, 0).option(data_capable(random.below(3) as u16))),
            1 => Host::accept(config, &segment("S", 0, 0).option(MptcpOption::Capable(capable(None, None)))),
            _ => Host::connect(config),
        };
        let first = host.first;
        host.write(random.below(3_000));
        for _ in 0..20 {
            let flags = ["S.", "S.", "S", ".", "R.", "F."][random.below(6) as usize];
            let sender = (random.below(2) == 0).then_some(THEIR_KEY);
            let receiver = (random.below(2) == 0).then_some(OUR_KEY).filter(|_| sender.is_some());
            let said = match random.below(3) {
                0 => any_segment(&mut random),
                1 => segment(flags, 0, random.below(2) as i64)
                    .option(MptcpOption::Capable(capable(sender, receiver))),
                _ => segment(flags, 1, 1)
                    .option(MptcpOption::Capable(capable(sender, receiver)))
                    .bytes(vec![1; random.below(50) as usize]),
            };
            host.inject(&first, &said);
            host.sent();
            host.read();
            if random.below(4) == 0 {
                host.wait(Duration::from_millis(random.below(3_000)));
            }
        }
        host.wait(Duration::from_secs(200));
    }
}

#[test]
fn whatever_is_said_on_subflows_nothing_panics_or_spins() {
    for seed in 0..3_000 {
        let mut random = Random::from_number(seed);
        let config = Config { addresses: addresses(3), max_subflows: 4, ..config() };
        let active = random.below(2) == 0;
        let mut host = match (active, random.below(3) == 0) {
            (true, _) => Host::active(config),
            (false, true) => Host::passive_with_checksums(),
            (false, false) => Host::passive(config),
        };
        let mut flows = vec![host.first];
        for n in 2..4 {
            if !active {
                flows.push(host.joined_by_peer(n, n));
            } else if let Some(wanted) = host.wanted().first() {
                flows.extend(host.open(wanted).map(|(flow, _)| flow));
            }
        }
        host.write(random.below(3_000));
        for _ in 0..30 {
            let flow = flows[random.below(flows.len() as u64) as usize];
            host.inject(&flow, &any_segment(&mut random));
            host.sent();
            if random.below(4) == 0 {
                host.wait(Duration::from_millis(random.below(3_000)));
            }
            if random.below(10) == 0 {
                host.close();
            }
            host.read();
        }
        host.wait(Duration::from_secs(200));
    }
}
