use super::*;
use crate::device::{PcapngWriter, WriterConfig};
use proptest::prelude::*;

fn read_all(file: &[u8]) -> Result<Vec<CapturedFrame>, PcapError> {
    let mut reader = FrameReader::new(file)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

fn write_all(config: &WriterConfig, frames: &[(u64, Direction, Vec<Vec<u8>>)]) -> (Vec<u8>, u64) {
    let mut file = Vec::new();
    let mut writer = PcapngWriter::new(&mut file, config).unwrap();
    for (ns, direction, pieces) in frames {
        writer.write(Duration::from_nanos(*ns), *direction, pieces.iter().map(Vec::as_slice)).unwrap();
    }
    let omitted = writer.omitted();
    (file, omitted)
}

/// The words of a file in a byte order, `bytes` as they are.
fn words(swapped: bool, words: &[u32], bytes: &[u8]) -> Vec<u8> {
    let order = |word: &u32| if swapped { word.swap_bytes() } else { *word };
    let mut file: Vec<u8> = words.iter().flat_map(|word| order(word).to_ne_bytes()).collect();
    file.extend_from_slice(bytes);
    file
}

fn classic_file(magic: u32, swapped: bool) -> Vec<u8> {
    [
        words(swapped, &[magic, 0x0004_0002, 0, 0, 65535, 1], b""),
        words(swapped, &[3, 5, 4, 60], b"head"),
        words(swapped, &[4, 0, 3, 3], b"abc"),
    ]
    .concat()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        frames in prop::collection::vec(
            (any::<u64>(), any::<bool>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4)),
            0..8,
        ),
        snap in 0_u32..200,
    ) {
        let frames: Vec<_> = frames.into_iter().map(|(ns, inbound, pieces)| {
            (ns, if inbound { Direction::Inbound } else { Direction::Outbound }, pieces)
        }).collect();
        let config = WriterConfig { snap_bytes: snap, ..WriterConfig::new("mpdk0") };
        let (file, omitted) = write_all(&config, &frames);
        prop_assert_eq!(omitted, 0);
        let read = read_all(&file).unwrap();
        prop_assert_eq!(read.len(), frames.len());
        for (got, (ns, direction, pieces)) in read.iter().zip(&frames) {
            let whole = pieces.concat();
            prop_assert_eq!(got.time, Duration::from_nanos(*ns));
            prop_assert_eq!(got.direction, Some(*direction));
            prop_assert_eq!(got.wire_bytes as usize, whole.len());
            prop_assert_eq!(&got.bytes, &whole[..whole.len().min(snap as usize)]);
        }
    }

    #[test]
    fn any_damage_is_an_error_or_other_frames_but_no_panic(
        at in 0_usize..400, mask in 1_u8.., cut in 0_usize..400,
    ) {
        let frames = vec![(1, Direction::Inbound, vec![vec![7; 61]]), (2, Direction::Outbound, vec![vec![8; 90]])];
        let (mut file, _) = write_all(&WriterConfig::new("x"), &frames);
        let at = at % file.len();
        file[at] ^= mask;
        file.truncate(file.len() - cut % file.len());
        if let Ok(read) = read_all(&file) {
            prop_assert!(read.len() <= 2);
        }
    }
}

#[test]
fn classic_files_of_both_byte_orders_and_units_are_read() {
    for (magic, ns) in [(CLASSIC_MICROS, 5_000), (CLASSIC_NANOS, 5)] {
        for swapped in [false, true] {
            let frames = read_all(&classic_file(magic, swapped)).unwrap();
            assert_eq!(frames.len(), 2);
            assert_eq!(frames[0].time, Duration::new(3, ns));
            assert_eq!((frames[0].wire_bytes, frames[0].bytes.as_slice()), (60, b"head".as_slice()));
            assert_eq!(frames[1].bytes, b"abc");
        }
    }
}

#[test]
fn blocks_of_the_other_byte_order_and_unknown_blocks_are_read() {
    let file = [
        words(true, &[SECTION_HEADER, 28, BYTE_ORDER, 1 << 16, u32::MAX, u32::MAX, 28], b""),
        // Link type 1 in the first half, snap length 3, no options.
        words(true, &[INTERFACE, 20, 1 << 16, 3, 20], b""),
        words(true, &[0x0bad, 16, 1, 16], b""),
        words(true, &[SIMPLE_PACKET, 20, 10], b"abc\0"),
        words(true, &[20], b""),
    ]
    .concat();
    let frames = read_all(&file).unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!((frames[0].wire_bytes, frames[0].bytes.as_slice()), (10, b"abc".as_slice()));
}

#[test]
fn impossible_files_are_refused() {
    assert!(matches!(read_all(b"GIF89a......"), Err(PcapError::UnknownFormat(_))));
    assert!(matches!(read_all(b""), Err(PcapError::Truncated)));
    let mut cut = classic_file(CLASSIC_MICROS, false);
    cut.pop();
    assert!(matches!(read_all(&cut), Err(PcapError::Truncated)));
    let long = words(false, &[CLASSIC_MICROS, 0, 0, 0, 0, 1, 0, 0, u32::MAX, 0], b"");
    assert!(matches!(read_all(&long), Err(PcapError::TooLong(u32::MAX))));
    let wifi = words(false, &[CLASSIC_MICROS, 0, 0, 0, 0, 105], b"");
    assert!(matches!(read_all(&wifi), Err(PcapError::NotEthernet(105))));
}

#[test]
fn a_full_file_takes_no_more_and_counts() {
    let frame = (1, Direction::Inbound, vec![vec![1; 100]]);
    let config = WriterConfig { limit_bytes: 400, ..WriterConfig::new("x") };
    let (file, omitted) = write_all(&config, &vec![frame; 5]);
    assert!(file.len() <= 400);
    let kept = read_all(&file).unwrap().len();
    assert!(kept >= 1);
    assert_eq!(kept as u64 + omitted, 5);
}
