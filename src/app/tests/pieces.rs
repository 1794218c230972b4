use std::fs::File;
use std::future::poll_fn;
use std::io::{ErrorKind, Write as _};

use hyper::body::Bytes;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tempfile::{TempDir, tempfile};

use super::world::content;
use crate::app::Sha256Digest;
use crate::app::piece_reader::{PieceReader, READ_PIECE_BYTES};
use crate::app::piece_writer::PieceWriter;

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

async fn read_all(reader: &mut PieceReader) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = poll_fn(|context| reader.poll_next(context)).await {
        let piece = piece?;
        assert!(!piece.is_empty() && piece.len() <= READ_PIECE_BYTES);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[tokio::test]
async fn a_reader_gives_exactly_its_part() {
    let bytes = content(3 * READ_PIECE_BYTES + 17);
    for (offset, length) in [(0, bytes.len()), (5, READ_PIECE_BYTES), (READ_PIECE_BYTES, 1), (9, 0)] {
        let part = &bytes[offset..offset + length];
        let mut reader =
            PieceReader::new(file_with(&bytes), offset as u64, length as u64, Some(Sha256::new()));
        assert_eq!(read_all(&mut reader).await.expect("readable"), part);
        assert_eq!(reader.remaining_bytes(), 0);
        let digest = Sha256Digest::of(reader.take_hasher().expect("read to the end"));
        assert_eq!(digest, Sha256Digest::of(Sha256::new_with_prefix(part)));
    }
}

#[tokio::test]
async fn a_file_that_shrinks_is_an_error() {
    let mut reader = PieceReader::new(file_with(&content(1000)), 0, 1001, None);
    let error = read_all(&mut reader).await.expect_err("too short");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(reader.take_hasher().is_none());
}

#[tokio::test]
async fn a_write_error_is_reported_and_stays() {
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let mut writer = PieceWriter::new(full, Some(Sha256::new()), 10);
    writer.write(Bytes::from_static(b"0123456789")).await.expect("the first piece is only started");
    let error = writer.flush().await.expect_err("full");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    writer.flush().await.expect_err("the file is given up");
    writer.finish().await.expect_err("the file is given up");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_writer_writes_all_in_order(
        lengths in proptest::collection::vec(0_usize..600, 0..200),
        piece_bytes in 1_usize..5000,
    ) {
        let bytes = content(lengths.iter().sum());
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("file");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let digest = runtime.block_on(async {
            let file = File::create(&path).expect("created");
            let mut writer = PieceWriter::new(file, Some(Sha256::new()), piece_bytes);
            let mut rest = Bytes::from(bytes.clone());
            for length in lengths {
                writer.write(rest.split_to(length)).await.expect("written");
            }
            let (_, hasher) = writer.finish().await.expect("written");
            Sha256Digest::of(hasher.expect("there was one"))
        });
        prop_assert_eq!(std::fs::read(&path).expect("readable"), bytes.clone());
        prop_assert_eq!(digest, Sha256Digest::of(Sha256::new_with_prefix(&bytes)));
    }
}
