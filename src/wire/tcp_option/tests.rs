use super::*;
use proptest::prelude::*;

const STAMPS: Timestamps = Timestamps { value: 0x0102_0304, echo: 0x0506_0708 };

fn syn(sack_permitted: bool, timestamps: Option<Timestamps>, window_scale: Option<u8>) -> Vec<u8> {
    let mut out = OptionBytes::new();
    assert!(emit_syn(1460, sack_permitted, timestamps, window_scale, &mut out));
    out.to_vec()
}

#[test]
fn a_syn_has_the_bytes_that_linux_sends() {
    let full = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7];
    assert_eq!(syn(true, Some(STAMPS), Some(7)), full);
    assert_eq!(syn(true, None, Some(7)), [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
    assert_eq!(syn(false, Some(STAMPS), None), [2, 4, 5, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(syn(false, None, None), [2, 4, 5, 0xb4]);
}

#[test]
fn sack_has_the_bytes_that_linux_sends() {
    let blocks = [(SeqNumber(1), SeqNumber(2)), (SeqNumber(3), SeqNumber(4))];
    let mut out = OptionBytes::new();
    assert_eq!(emit_sack(&blocks, &mut out), 2);
    assert_eq!(out.as_slice(), [1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
    assert_eq!(emit_sack(&[], &mut out), 0);
    assert_eq!(out.len(), 20);
}

#[test]
fn as_many_sack_blocks_are_sent_as_fit() {
    let blocks = [(SeqNumber(1), SeqNumber(2)); 6];
    for (taken, expected) in [(0, 4), (4, 4), (8, 3), (12, 3), (16, 2), (24, 1), (28, 1), (32, 0), (40, 0)] {
        let mut out: OptionBytes = (0..taken).map(|_| 1).collect();
        assert_eq!(emit_sack(&blocks, &mut out), expected, "{taken} bytes taken");
        assert_eq!(TcpOptions::parse(&out).sack.len(), expected);
        assert_eq!(out.len() % 4, 0);
    }
}

#[test]
fn options_that_do_not_fit_leave_nothing() {
    let mut out: OptionBytes = [1; 32].into_iter().collect();
    assert!(!STAMPS.emit(&mut out));
    assert!(!emit_syn(1460, true, None, Some(7), &mut out));
    assert_eq!(out.len(), 32);
}

#[test]
fn a_malformed_length_ends_the_options() {
    let before = TcpOptions { mss: Some(1460), ..TcpOptions::default() };
    for tail in [&[3, 0, 7][..], &[3, 1, 7], &[3, 4, 7], &[3], &[99, 200, 3, 3, 7], &[99, 0, 3, 3, 7]] {
        let bytes = [&[2, 4, 5, 0xb4], tail].concat();
        assert_eq!(TcpOptions::parse(&bytes), before, "{tail:?}");
    }
}

#[test]
fn options_behind_the_end_do_not_count() {
    assert_eq!(TcpOptions::parse(&[0, 2, 4, 5, 0xb4]), TcpOptions::default());
}

#[test]
fn unknown_options_and_wrong_lengths_are_skipped() {
    let scaled = TcpOptions { window_scale: Some(7), ..TcpOptions::default() };
    let cases: [&[u8]; 7] = [
        &[253, 6, 1, 2, 3, 4],
        &[34, 2],
        &[2, 3, 5],
        &[4, 3, 0],
        &[8, 6, 1, 2, 3, 4],
        &[5, 7, 1, 2, 3, 4, 5],
        &[5, 2],
    ];
    for case in cases {
        assert_eq!(TcpOptions::parse(&[case, &[3, 3, 7]].concat()), scaled, "{case:?}");
    }
}

#[test]
fn a_window_scale_beyond_14_counts_as_14() {
    assert_eq!(TcpOptions::parse(&[3, 3, 15]).window_scale, Some(14));
    assert_eq!(TcpOptions::parse(&[3, 3, 255]).window_scale, Some(14));
    assert_eq!(syn(false, None, Some(200))[4..], [1, 3, 3, 14]);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..12u8, Just(30)], 0..=40)) {
        let options = TcpOptions::parse(&bytes);
        prop_assert!(options.window_scale.is_none_or(|shift| shift <= 14));
    }
}
