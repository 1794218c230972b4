//! Which subflow carries data: backup and priority (RFC 8684 §3.3.8).

use super::script::{Host, addresses, config};
use super::segment::{segment, stream};
use crate::base::{Outcome, SubflowId};
use crate::mptcp::Config;
use crate::wire::{MpJoin, MptcpOption, TcpFlags};

/// Who carries the next bytes; they are acknowledged.
fn carriers(host: &mut Host, bytes: u64) -> Vec<SubflowId> {
    host.write(bytes);
    let sent = host.sent();
    sent.iter().filter(|sent| !sent.payload.is_empty()).map(|sent| sent.id).collect()
}

#[test]
fn a_backup_subflow_carries_nothing_while_another_is_usable() {
    let mut host = Host::passive(config());
    let flow = host.join_syn(2, 2, true).expect("taken");
    let answer = host.sent_one();
    host.inject(&flow, &Host::third_ack(&answer));
    host.sent();
    let first = host.first;
    assert!(carriers(&mut host, 30_000).iter().all(|id| *id == first.id));
}

#[test]
fn a_backup_subflow_takes_over_when_no_other_is_left() {
    let mut host = Host::passive(config());
    let flow = host.join_syn(2, 2, true).expect("taken");
    let answer = host.sent_one();
    host.inject(&flow, &Host::third_ack(&answer));
    host.sent();
    let first = host.first;
    host.write(500);
    assert_eq!(host.sent_one().id, first.id);
    host.inject(&first, &segment("R.", 1, 1));
    let again = host.sent();
    assert!(again.iter().any(|sent| sent.id == flow.id && sent.payload == stream(0..500)));
    assert_eq!(carriers(&mut host, 300), [flow.id]);
}

#[test]
fn mp_prio_acts_on_the_subflow_it_arrives_on() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.inject(&first, &segment(".", 1, 1).option(MptcpOption::Priority { backup: true }));
    assert_eq!(host.count(Outcome::MpPrioRx), 1);
    assert!(carriers(&mut host, 5_000).iter().all(|id| *id == join.id));
    host.inject(&join, &segment(".", 1, 5_001).ack(5_000).option(MptcpOption::Priority { backup: true }));
    host.inject(&first, &segment(".", 1, 1).ack(5_000).option(MptcpOption::Priority { backup: false }));
    assert!(carriers(&mut host, 5_000).iter().all(|id| *id == first.id));
}

#[test]
fn the_priority_that_we_want_is_signalled_once_on_its_subflow() {
    let mut host = Host::passive(config());
    let (first, join) = (host.first, host.joined_by_peer(2, 2));
    host.with(|connection, _| connection.set_backup(join.id, true));
    let sent = host.sent_one();
    assert_eq!((sent.id, sent.others()), (join.id, &[MptcpOption::Priority { backup: true }][..]));
    host.with(|connection, _| connection.set_backup(join.id, true));
    assert_eq!(host.sent().len(), 0, "no change");
    // We keep to it ourselves.
    assert!(carriers(&mut host, 5_000).iter().all(|id| *id == first.id));
}

#[test]
fn joins_from_a_backup_address_say_so() {
    let mut addresses = addresses(2);
    addresses[1].backup = true;
    let mut host = Host::active(Config { addresses, ..config() });
    let wanted = host.wanted();
    let (flow, syn) = host.open(&wanted[0]).expect("room");
    assert!(matches!(syn.join(), Some(MpJoin::Syn { backup: true, .. })));
    host.inject(&flow, &Host::join_answer(&syn, 0, false));
    host.sent();
    host.inject(&flow, &segment(".", 1, 1).ack(0));
    let first = host.first;
    assert!(carriers(&mut host, 30_000).iter().all(|id| *id == first.id));
}

#[test]
fn a_backup_of_the_peers_in_its_syn_ack_is_kept_to() {
    let mut host = Host::active(Config { addresses: addresses(2), ..config() });
    let wanted = host.wanted();
    let (flow, syn) = host.open(&wanted[0]).expect("room");
    host.inject(&flow, &Host::join_answer(&syn, 0, true));
    host.sent();
    host.inject(&flow, &segment(".", 1, 1).ack(0));
    let first = host.first;
    assert!(carriers(&mut host, 30_000).iter().all(|id| *id == first.id));
    assert!(host.sent().iter().all(|sent| !sent.has(TcpFlags::RST)));
}
