//! MP_CAPABLE (RFC 8684 §3.1).

use super::script::{Host, addresses, config};
use super::segment::{OUR_KEY, Segment, Sent, THEIR_KEY, capable, segment, stream};
use crate::base::{Duration, Key, Outcome};
use crate::mptcp::Config;
use crate::wire::{MpCapable, MptcpOption, TcpFlags};

fn syn(change: impl FnOnce(&mut MpCapable)) -> Segment {
    let mut offer = capable(None, None);
    change(&mut offer);
    segment("S", 0, 0).option(MptcpOption::Capable(offer))
}

fn answer(change: impl FnOnce(&mut MpCapable)) -> Segment {
    let mut answer = capable(Some(THEIR_KEY), None);
    change(&mut answer);
    segment("S.", 0, 1).option(MptcpOption::Capable(answer))
}

fn keys(change: impl FnOnce(&mut MpCapable)) -> MptcpOption {
    let mut both = capable(Some(THEIR_KEY), Some(OUR_KEY));
    change(&mut both);
    MptcpOption::Capable(both)
}

#[test]
fn the_syn_offers_version_1_and_sha_256_without_a_key() {
    let syn = Host::connect(config()).sent_one();
    let offer = syn.capable().expect("MP_CAPABLE");
    // B is 0; H alone of the algorithms; no key yet.
    assert_eq!(offer, capable(None, None));
}

#[test]
fn the_third_ack_carries_both_keys_without_any_data() {
    let mut host = Host::connect(config());
    let first = host.first;
    host.sent();
    host.inject(&first, &answer(|_| {}));
    let third = host.sent_one();
    assert_eq!(third.capable(), Some(capable(Some(OUR_KEY), Some(THEIR_KEY))));
    assert!(third.payload.is_empty());
}

#[test]
fn the_first_data_repeats_the_keys_until_the_peer_has_shown_that_it_has_them() {
    let mut host = Host::connect(config());
    let first = host.first;
    host.write(3_000);
    host.sent();
    host.inject(&first, &answer(|_| {}));
    let data: Vec<_> = host.sent().into_iter().filter(|sent| !sent.payload.is_empty()).collect();
    assert_eq!(data.len(), 1, "a later segment could overtake the keys");
    let repeated = data[0].capable().expect("MP_CAPABLE");
    assert_eq!((repeated.sender_key, repeated.receiver_key), (Some(OUR_KEY), Some(THEIR_KEY)));
    assert_eq!(repeated.data_length, Some(data[0].payload.len() as u16));
    assert_eq!(data[0].mapping(), None, "in place of a DSS");
    let bytes = data[0].payload.len() as u64;
    host.inject(&first, &segment(".", 1, 1 + bytes as i64).ack(bytes));
    let rest = host.sent();
    assert!(!rest.is_empty() && rest.iter().all(|sent| sent.capable().is_none() && sent.mapping().is_some()));
}

#[test]
fn a_dss_of_the_peer_confirms_the_keys() {
    let mut host = Host::active(config());
    host.write(100);
    let data = host.sent_one();
    assert_eq!(data.capable(), None);
    assert_eq!(data.mapping().map(|mapping| (mapping.subflow_offset, mapping.length)), Some((1, 100)));
}

#[test]
fn data_with_the_keys_is_as_good_as_a_mapping_and_may_come_twice() {
    let mut host = Host::accept(config(), &syn(|_| {}));
    let first = host.first;
    host.sent();
    let data = segment(".", 1, 1).option(keys(|keys| keys.data_length = Some(50))).bytes(stream(0..50));
    host.inject(&first, &data);
    host.inject(&first, &data);
    assert_eq!(host.read(), stream(0..50));
    let acks = host.sent();
    assert_eq!(acks.last().and_then(Sent::data_ack), Some(50), "acknowledged at data level");
    host.inject(&first, &segment(".", 51, 1).mapped(50, 20).ack(0));
    assert_eq!(host.read(), stream(50..70));
}

#[test]
fn a_higher_version_is_answered_with_ours() {
    let mut host = Host::accept(config(), &syn(|offer| offer.version = 3));
    let answer = host.sent_one().capable().expect("MP_CAPABLE");
    assert_eq!(answer, capable(Some(OUR_KEY), None));
}

/// Each offer is answered without MP_CAPABLE, and nothing of MPTCP follows.
fn refuses(config: Config, offer: &Segment) {
    let mut host = Host::accept(config, offer);
    let first = host.first;
    assert!(host.sent_one().others().is_empty());
    host.inject(&first, &segment(".", 1, 1).bytes(stream(0..30)));
    host.write(40);
    assert!(host.sent().iter().all(|sent| sent.others().is_empty() && sent.dss().is_none()));
    assert_eq!(host.read(), stream(0..30));
    assert!(host.connection.is_fallback());
}

#[test]
fn an_offer_that_is_not_understood_is_answered_with_plain_tcp() {
    // B: an extension; no algorithm; none that we know; an older version.
    refuses(config(), &syn(|offer| offer.flags |= MpCapable::EXTENSIBILITY));
    refuses(config(), &syn(|offer| offer.flags = 0));
    refuses(config(), &syn(|offer| offer.flags = 0x02));
    refuses(config(), &syn(|offer| offer.version = 0));
    refuses(config(), &segment("S", 0, 0));
    refuses(Config { enabled: false, ..config() }, &syn(|_| {}));
}

/// Plain TCP after this SYN/ACK.
fn falls_back_on(answer: &Segment) {
    let mut host = Host::connect(config());
    let first = host.first;
    host.sent();
    host.inject(&first, answer);
    assert!(host.connection.is_fallback());
    host.write(10);
    assert!(host.sent().iter().all(|sent| sent.others().is_empty() && sent.dss().is_none()));
}

#[test]
fn an_answer_that_is_not_acceptable_leads_to_plain_tcp() {
    falls_back_on(&segment("S.", 0, 1));
    falls_back_on(&answer(|answer| answer.version = 0));
    falls_back_on(&answer(|answer| answer.flags = 0));
    falls_back_on(&answer(|answer| answer.flags |= MpCapable::EXTENSIBILITY));
    falls_back_on(&answer(|answer| answer.sender_key = None));
}

#[test]
fn a_third_ack_that_was_tampered_with_ends_mptcp() {
    for third in
        [segment(".", 1, 1), segment(".", 1, 1).option(keys(|keys| keys.receiver_key = Some(Key(7))))]
    {
        let mut host = Host::accept(config(), &syn(|_| {}));
        let first = host.first;
        host.sent();
        host.inject(&first, &third.clone().bytes(stream(0..10)));
        assert_eq!(host.count(Outcome::MpCapableFallbackAck), 1);
        host.write(10);
        assert!(host.sent().iter().all(|sent| sent.others().is_empty() && sent.dss().is_none()));
        assert_eq!(host.read(), stream(0..10));
    }
}

#[test]
fn syns_with_mp_capable_that_nobody_answers_are_followed_by_plain_ones() {
    let mut host = Host::connect(config());
    let first = host.first;
    assert!(host.sent_one().capable().is_some());
    let again = host.wait(Duration::from_secs(8));
    let offers: Vec<bool> = again.iter().map(|syn| syn.capable().is_some()).collect();
    assert_eq!(offers, [true, false, false], "capable_syn_retries is 1");
    // An MP_CAPABLE that answers a SYN without one was made up on the way.
    host.inject(&first, &answer(|_| {}));
    assert!(host.connection.is_fallback());
}

#[test]
fn checksums_are_used_if_either_side_asks() {
    let ask = |capable: &mut MpCapable| capable.flags |= MpCapable::CHECKSUM;
    for (ours, peer) in [(true, false), (false, true), (false, false)] {
        let mut host = Host::connect(Config { checksum: ours, ..config() });
        let first = host.first;
        assert_eq!(host.sent_one().capable().map(|syn| syn.flags & MpCapable::CHECKSUM != 0), Some(ours));
        host.inject(
            &first,
            &answer(|answer| {
                if peer {
                    ask(answer);
                }
            }),
        );
        let third = host.sent_one().capable().expect("keys");
        assert_eq!(third.flags & MpCapable::CHECKSUM != 0, ours || peer, "the third ACK confirms");
        host.inject(&first, &segment(".", 1, 1).ack(0));
        host.write(10);
        let mapping = host.sent_one().mapping().expect("a mapping");
        assert_eq!(mapping.checksum.is_some(), ours || peer);
    }
}

#[test]
fn nothing_is_opened_before_a_dss_came() {
    let mut host = Host::connect(Config { addresses: addresses(2), ..config() });
    let first = host.first;
    host.sent();
    host.inject(&first, &answer(|_| {}));
    host.sent();
    host.inject(&first, &segment(".", 1, 1));
    host.wait(Duration::from_secs(1));
    assert_eq!(host.wanted(), []);
    host.inject(&first, &segment(".", 1, 1).ack(0));
    assert_eq!(host.wanted().len(), 1);
}

#[test]
fn no_join_goes_where_the_peer_wants_none() {
    let mut host = Host::connect(Config { addresses: addresses(2), ..config() });
    let first = host.first;
    host.sent();
    host.inject(&first, &answer(|answer| answer.flags |= MpCapable::NO_JOIN_HERE));
    host.sent();
    host.inject(&first, &segment(".", 1, 1).ack(0));
    assert_eq!(host.wanted(), []);
    // Not even if somebody announces it.
    host.inject(
        &first,
        &segment(".", 1, 1).option(super::segment::add_address(4, super::script::their_address(1), None)),
    );
    assert_eq!(host.wanted(), []);
    // Another address is welcome.
    let other = super::segment::add_address(5, super::script::their_address(2), None);
    host.inject(&first, &segment(".", 1, 1).option(other));
    assert!(host.wanted().iter().all(|wanted| wanted.remote == super::script::their_socket(2)));
    assert!(host.sent().iter().all(|sent| !sent.has(TcpFlags::SYN)));
}
