use super::*;
use crate::wire::{OptionBytes, TcpOptions};
use proptest::option::of;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn bytes_of(option: &MptcpOption) -> Vec<u8> {
    let mut out = OptionBytes::new();
    assert!(option.emit(&mut out));
    assert_eq!(out.len(), option.encoded_len());
    out.to_vec()
}

fn signal_bytes(signal: &DataSignal) -> Vec<u8> {
    let mut out = OptionBytes::new();
    assert!(signal.emit(&mut out));
    assert_eq!(out.len(), signal.encoded_len());
    out.to_vec()
}

fn parsed(bytes: &[u8]) -> MptcpOptions {
    TcpOptions::parse(bytes).mptcp
}

const SYN: MpCapable = MpCapable {
    version: 1,
    flags: MpCapable::HMAC_SHA256,
    sender_key: None,
    receiver_key: None,
    data_length: None,
    checksum: None,
};

#[test]
fn capable_has_the_bytes_that_linux_sends() {
    let sender_key = Some(Key(0x0102_0304_0506_0708));
    let receiver_key = Some(Key(0x1112_1314_1516_1718));
    assert_eq!(bytes_of(&MptcpOption::Capable(SYN)), [0x1e, 4, 0x01, 0x01]);
    let syn_ack = MpCapable { sender_key, ..SYN };
    assert_eq!(bytes_of(&MptcpOption::Capable(syn_ack)), [0x1e, 12, 0x01, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]);
    let ack = MpCapable { receiver_key, ..syn_ack };
    let keys = [1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
    assert_eq!(bytes_of(&MptcpOption::Capable(ack)), [&[0x1e, 20, 0x01, 0x01], &keys[..]].concat());
    let data = MpCapable { data_length: Some(0x0203), ..ack };
    assert_eq!(
        bytes_of(&MptcpOption::Capable(data)),
        [&[0x1e, 22, 0x01, 0x01], &keys[..], &[2, 3, 1, 1]].concat()
    );
    let checked = MpCapable { checksum: Some(0xabcd), flags: 0x81, ..data };
    let expected = [&[0x1e, 24, 0x01, 0x81], &keys[..], &[2, 3, 0xab, 0xcd]].concat();
    assert_eq!(bytes_of(&MptcpOption::Capable(checked)), expected);
}

#[test]
fn join_has_the_bytes_of_figures_5_to_7() {
    let (backup, address_id) = (true, AddressId(7));
    let syn = MpJoin::Syn { backup, address_id, token: Token(0xaabb_ccdd), nonce: 0x0102_0304 };
    assert_eq!(bytes_of(&MptcpOption::Join(syn)), [30, 12, 0x11, 7, 0xaa, 0xbb, 0xcc, 0xdd, 1, 2, 3, 4]);
    let syn_ack =
        MpJoin::SynAck { backup: false, address_id, hmac: 0x0102_0304_0506_0708, nonce: 0x0a0b_0c0d };
    let expected = [30, 16, 0x10, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b, 0x0c, 0x0d];
    assert_eq!(bytes_of(&MptcpOption::Join(syn_ack)), expected);
    let ack = MpJoin::Ack { hmac: [0x5a; 20] };
    assert_eq!(bytes_of(&MptcpOption::Join(ack)), [&[30, 24, 0x10, 0][..], &[0x5a; 20]].concat());
}

#[test]
fn data_signal_has_the_bytes_that_linux_sends() {
    let mapping = MappingSignal {
        data_sequence: DataAck::Long(DataSeqNumber(0x0102_0304_0506_0708)),
        subflow_offset: 1,
        length: 0x7a60,
        checksum: None,
    };
    let join_ack = DataSignal { data_ack: Some(DataAck::Short(0x0a0b_0c0d)), ..DataSignal::default() };
    assert_eq!(signal_bytes(&join_ack), [30, 8, 0x20, 0x01, 0x0a, 0x0b, 0x0c, 0x0d]);
    let first = DataSignal { mapping: Some(mapping), ..join_ack };
    let map = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0x7a, 0x60];
    let short = [&[30, 22, 0x20, 0x0d, 0x0a, 0x0b, 0x0c, 0x0d], &map[..], &[1, 1]].concat();
    assert_eq!(signal_bytes(&first), short);
    let data_ack = Some(DataAck::Long(DataSeqNumber(0x1112_1314_1516_1718)));
    let long = DataSignal { data_ack, data_fin: true, ..first };
    let ack = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
    assert_eq!(signal_bytes(&long), [&[30, 26, 0x20, 0x1f], &ack[..], &map, &[1, 1]].concat());
    let checked = DataSignal { mapping: Some(MappingSignal { checksum: Some(0xbeef), ..mapping }), ..long };
    assert_eq!(signal_bytes(&checked), [&[30, 28, 0x20, 0x1f], &ack[..], &map, &[0xbe, 0xef]].concat());
}

#[test]
fn address_options_have_the_bytes_of_figures_12_and_13() {
    let add = AddAddress {
        address_id: AddressId(3),
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        port: None,
        hmac: Some(0x0102_0304_0506_0708),
    };
    let hmac = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(
        bytes_of(&MptcpOption::AddAddress(add)),
        [&[30, 16, 0x30, 3, 10, 0, 0, 1], &hmac[..]].concat()
    );
    let with_port = AddAddress { port: Some(0x1f90), ..add };
    let expected = [&[30, 18, 0x30, 3, 10, 0, 0, 1, 0x1f, 0x90], &hmac[..], &[1, 1]].concat();
    assert_eq!(bytes_of(&MptcpOption::AddAddress(with_port)), expected);
    let echo = AddAddress { hmac: None, ..add };
    assert_eq!(bytes_of(&MptcpOption::AddAddress(echo)), [30, 8, 0x31, 3, 10, 0, 0, 1]);
    let six = AddAddress { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..with_port };
    let bytes = bytes_of(&MptcpOption::AddAddress(six));
    assert_eq!((bytes[1], bytes.len()), (30, 32));
    let mut ids = AddressIds::default();
    assert!(ids.push(AddressId(4)) && ids.push(AddressId(5)));
    assert_eq!(bytes_of(&MptcpOption::RemoveAddress(ids)), [30, 5, 0x40, 4, 5, 1, 1, 1]);
}

#[test]
fn signals_of_one_subflow_have_the_bytes_of_figures_11_and_14_to_16() {
    assert_eq!(bytes_of(&MptcpOption::Priority { backup: true }), [30, 3, 0x51, 1]);
    assert_eq!(bytes_of(&MptcpOption::Priority { backup: false }), [30, 3, 0x50, 1]);
    let fail = MptcpOption::Fail(DataSeqNumber(0x0102_0304_0506_0708));
    assert_eq!(bytes_of(&fail), [30, 12, 0x60, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let close = MptcpOption::FastClose(Key(0x0102_0304_0506_0708));
    assert_eq!(bytes_of(&close), [30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let reset = MptcpOption::Reset { transient: true, reason: ResetReason::Performance };
    assert_eq!(bytes_of(&reset), [30, 4, 0x81, 5]);
}

#[test]
fn reserved_bits_are_ignored_on_receipt() {
    let cases: [(&[u8], MptcpOption); 5] = [
        (&[30, 3, 0x5e, 1], MptcpOption::Priority { backup: false }),
        (&[30, 4, 0x8f, 0xee], MptcpOption::Reset { transient: true, reason: ResetReason::Unspecified }),
        (&[30, 12, 0x6f, 0xff, 0, 0, 0, 0, 0, 0, 0, 9], MptcpOption::Fail(DataSeqNumber(9))),
        (&[30, 12, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0, 9], MptcpOption::FastClose(Key(9))),
        (
            &[30, 12, 0x1e, 7, 0, 0, 0, 1, 0, 0, 0, 2],
            MptcpOption::Join(MpJoin::Syn {
                backup: false,
                address_id: AddressId(7),
                token: Token(1),
                nonce: 2,
            }),
        ),
    ];
    for (bytes, expected) in cases {
        let options = parsed(bytes);
        assert_eq!(options.others.as_slice(), [expected], "{bytes:x?}");
        assert!(!options.malformed);
    }
    // RFC 8684 §3.3: a and m mean nothing without A and M.
    let signal = parsed(&[30, 4, 0x2f, 0xfa]).data_signal;
    assert_eq!(signal, Some(DataSignal { data_fin: true, ..DataSignal::default() }));
}

/// Every length that RFC 8684 knows for a subtype (and flags).
fn valid_lengths(first: u8, flags: u8) -> &'static [usize] {
    match (first >> 4, first & 1) {
        (0, _) => &[4, 12, 20, 22, 24],
        (1, _) => &[12, 16, 24],
        (2, _) => match flags & 0x0f {
            0b0000 | 0b0010 | 0b1000 | 0b1010 => &[4],
            0b0001 | 0b1001 => &[8],
            0b0011 | 0b1011 => &[12],
            0b0100 | 0b0110 => &[14, 16],
            0b0101 | 0b1100 | 0b1110 => &[18, 20],
            0b0111 | 0b1101 => &[22, 24],
            _ => &[26, 28],
        },
        (3, 0) => &[16, 18, 28, 30],
        (3, _) => &[8, 10, 20, 22],
        (4, _) => &[
            4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
            30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        ],
        (5, _) => &[3],
        (6 | 7, _) => &[12],
        (8, _) => &[4],
        _ => &[],
    }
}

#[test]
fn every_length_that_does_not_fit_is_malformed() {
    for first in 0..=u8::MAX {
        for second in 0..=0x1f {
            for length in 3..=40 {
                let mut bytes = vec![0; length];
                bytes[..3].copy_from_slice(&[30, length as u8, first]);
                if let Some(flags) = bytes.get_mut(3) {
                    *flags = second;
                }
                let options = parsed(&bytes);
                let known = first >> 4 <= 8;
                let valid = valid_lengths(first, second).contains(&length) && (length > 3 || first >> 4 == 5);
                assert_eq!(options.malformed, known && !valid, "{bytes:x?}");
                let count = options.others.len() + usize::from(options.data_signal.is_some());
                assert_eq!(count, usize::from(known && valid), "{bytes:x?}");
            }
        }
    }
}

#[test]
fn unknown_subtypes_are_skipped_and_what_follows_counts() {
    let options = parsed(&[30, 6, 0xf0, 1, 2, 3, 30, 3, 0x51, 1]);
    assert_eq!(options.others.as_slice(), [MptcpOption::Priority { backup: true }]);
    assert!(!options.malformed);
}

#[test]
fn an_option_without_subtype_or_end_is_malformed() {
    assert!(parsed(&[30, 2]).malformed);
    assert!(parsed(&[30]).malformed);
    assert!(parsed(&[30, 0, 0, 0]).malformed);
    assert!(parsed(&[30, 12, 0x60, 0]).malformed);
}

#[test]
fn the_first_data_signal_counts_and_too_many_options_are_noticed() {
    let options = parsed(&[30, 8, 0x20, 1, 0, 0, 0, 1, 30, 8, 0x20, 1, 0, 0, 0, 2]);
    assert_eq!(options.data_signal.and_then(|signal| signal.data_ack), Some(DataAck::Short(1)));
    assert!(options.malformed);
    let four = [[30, 4, 0x80, 1]; 4].concat();
    let options = parsed(&four);
    assert_eq!(options.others.len(), 3);
    assert!(options.malformed);
}

#[test]
fn an_option_that_does_not_fit_leaves_nothing() {
    let mut out = OptionBytes::new();
    out.extend([1; 20]);
    assert!(!MptcpOption::Join(MpJoin::Ack { hmac: [0; 20] }).emit(&mut out));
    assert_eq!(out.len(), 20);
    assert!(
        MptcpOption::Join(MpJoin::SynAck { backup: false, address_id: AddressId(0), hmac: 0, nonce: 0 })
            .emit(&mut out)
    );
    assert_eq!(out.len(), 36);
    assert!(!DataSignal { data_ack: Some(DataAck::Short(0)), ..DataSignal::default() }.emit(&mut out));
    assert!(DataSignal::default().emit(&mut out));
    assert_eq!(out.len(), 40);
}

#[test]
fn a_long_remove_address_is_understood_but_not_composed() {
    let mut bytes = vec![30, 40, 0x40];
    bytes.extend(1..=37);
    let options = parsed(&bytes);
    let [MptcpOption::RemoveAddress(mut ids)] = options.others[..] else { panic!("{options:?}") };
    assert!(ids.iter().map(|id| id.0).eq(1..=37));
    assert!(!ids.push(AddressId(38)));
    assert_eq!(bytes_of(&MptcpOption::RemoveAddress(ids)), bytes);
    let mut ids = AddressIds::default();
    assert_eq!((1..=20).filter(|&id| ids.push(AddressId(id))).count(), AddressIds::MOST_SENT);
}

#[test]
fn promotion_takes_the_nearest() {
    let reference = DataSeqNumber(0x1_0000_0005);
    assert_eq!(DataAck::Short(0xffff_fffe).promote(reference), DataSeqNumber(0xffff_fffe));
    assert_eq!(DataAck::Short(7).promote(reference), DataSeqNumber(0x1_0000_0007));
    assert_eq!(DataAck::Long(DataSeqNumber(7)).promote(reference), DataSeqNumber(7));
}

fn data_ack() -> impl Strategy<Value = DataAck> {
    prop_oneof![
        any::<u32>().prop_map(DataAck::Short),
        any::<u64>().prop_map(|number| DataAck::Long(DataSeqNumber(number))),
    ]
}

prop_compose! {
    fn mapping()(
        data_sequence in data_ack(), subflow_offset: u32, length: u16, checksum in of(any::<u16>()),
    ) -> MappingSignal {
        MappingSignal { data_sequence, subflow_offset, length, checksum }
    }
}

prop_compose! {
    fn capable()(version in 0..16u8, flags: u8, keys: (u64, u64), data: (u16, u16), form in 0..5) -> MpCapable {
        MpCapable {
            version,
            flags,
            sender_key: (form > 0).then_some(Key(keys.0)),
            receiver_key: (form > 1).then_some(Key(keys.1)),
            data_length: (form > 2).then_some(data.0),
            checksum: (form > 3).then_some(data.1),
        }
    }
}

fn join() -> impl Strategy<Value = MpJoin> {
    prop_oneof![
        any::<(bool, u8, u32, u32)>().prop_map(|(backup, id, token, nonce)| {
            MpJoin::Syn { backup, address_id: AddressId(id), token: Token(token), nonce }
        }),
        any::<(bool, u8, u64, u32)>().prop_map(|(backup, id, hmac, nonce)| MpJoin::SynAck {
            backup,
            address_id: AddressId(id),
            hmac,
            nonce
        }),
        any::<[u8; 20]>().prop_map(|hmac| MpJoin::Ack { hmac }),
    ]
}

prop_compose! {
    fn add_address()(
        id: u8, address: IpAddr, port in of(any::<u16>()), hmac in of(any::<u64>()),
    ) -> AddAddress {
        AddAddress { address_id: AddressId(id), address, port, hmac }
    }
}

fn address_ids() -> impl Strategy<Value = AddressIds> {
    prop::collection::vec(any::<u8>(), 1..=8).prop_map(|numbers| {
        let mut ids = AddressIds::default();
        for id in numbers {
            assert!(ids.push(AddressId(id)));
        }
        ids
    })
}

fn option() -> impl Strategy<Value = MptcpOption> {
    prop_oneof![
        capable().prop_map(MptcpOption::Capable),
        join().prop_map(MptcpOption::Join),
        add_address().prop_map(MptcpOption::AddAddress),
        address_ids().prop_map(MptcpOption::RemoveAddress),
        any::<bool>().prop_map(|backup| MptcpOption::Priority { backup }),
        any::<u64>().prop_map(|number| MptcpOption::Fail(DataSeqNumber(number))),
        any::<u64>().prop_map(|key| MptcpOption::FastClose(Key(key))),
        (any::<bool>(), 0..7u8).prop_map(|(transient, code)| MptcpOption::Reset {
            transient,
            reason: ResetReason::from_code(code)
        }),
    ]
}

prop_compose! {
    fn data_signal()(
        data_fin: bool, data_ack in of(data_ack()), mapping in of(mapping()),
    ) -> DataSignal {
        DataSignal { data_fin, data_ack, mapping }
    }
}

proptest! {
    #[test]
    fn options_survive_the_wire(option in option()) {
        let options = parsed(&bytes_of(&option));
        prop_assert_eq!(options.others.as_slice(), [option]);
        prop_assert!(!options.malformed && options.data_signal.is_none());
    }

    #[test]
    fn data_signals_survive_the_wire(signal in data_signal()) {
        let options = parsed(&signal_bytes(&signal));
        prop_assert_eq!(options.data_signal, Some(signal));
        prop_assert!(!options.malformed && options.others.is_empty());
    }

    #[test]
    fn the_usual_data_signal_is_read_as_any(
        flags in 0..32u8, value in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let value = [&[flags], &value[..]].concat();
        if let Some(signal) = DataSignal::parse_long(&value) {
            prop_assert_eq!(DataSignal::parse_any(&value), Some(signal));
        }
    }

    #[test]
    fn what_fits_together_is_parsed_together(signal in data_signal(), others in prop::collection::vec(option(), 0..3)) {
        let mut out = OptionBytes::new();
        prop_assert!(signal.emit(&mut out));
        let sent: Vec<_> = others.into_iter().filter(|option| option.emit(&mut out)).collect();
        prop_assert_eq!(out.len() % 4, 0);
        let options = parsed(&out);
        prop_assert_eq!(options.data_signal, Some(signal));
        prop_assert_eq!(options.others.as_slice(), sent.as_slice());
        prop_assert!(!options.malformed);
    }
}
