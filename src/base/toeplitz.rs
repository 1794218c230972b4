//! The hash by which NICs spread frames over their queues (receive-side
//! scaling): <https://learn.microsoft.com/windows-hardware/drivers/network/rss-hashing-functions>.

use super::FourTuple;
use std::net::IpAddr;

/// Bytes of addresses and ports of IPv6.
const INPUT_BYTES_MOST: usize = 36;
/// A key has 32 bits more than the longest input.
pub const KEY_BYTES: usize = INPUT_BYTES_MOST + 4;

/// The hash of a frame that comes from the remote end, under a NIC's key.
pub(super) fn hash(key: &[u8; KEY_BYTES], tuple: &FourTuple) -> u32 {
    let mut input = [0; INPUT_BYTES_MOST];
    let ports = match (tuple.remote.ip(), tuple.local.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            input[..4].copy_from_slice(&source.octets());
            input[4..8].copy_from_slice(&destination.octets());
            8
        }
        (source, destination) => {
            input[..16].copy_from_slice(&octets(source));
            input[16..32].copy_from_slice(&octets(destination));
            32
        }
    };
    input[ports..ports + 2].copy_from_slice(&tuple.remote.port().to_be_bytes());
    input[ports + 2..ports + 4].copy_from_slice(&tuple.local.port().to_be_bytes());
    toeplitz(key, &input[..ports + 4])
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// For each bit of the input that is set, the 32 bits of the key from there on.
fn toeplitz(key: &[u8; KEY_BYTES], input: &[u8]) -> u32 {
    let mut window = u64::from_be_bytes([key[0], key[1], key[2], key[3], key[4], 0, 0, 0]);
    let mut hash = 0;
    for (at, &byte) in input.iter().enumerate() {
        // The 40 bits of the key that begin at this byte, on top.
        for bit in 0..8 {
            if byte << bit & 0x80 != 0 {
                hash ^= (window << bit >> 32) as u32;
            }
        }
        let next = key.get(at + 5).copied().unwrap_or(0);
        window = window << 8 | u64::from(next) << 24;
    }
    hash
}

/// A key unrolled: what each value of each byte of the input adds to the hash.
pub(super) struct Rows([[u32; 256]; INPUT_BYTES_MOST]);

impl Rows {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Box<Self> {
        let mut rows = Box::new(Self([[0; 256]; INPUT_BYTES_MOST]));
        for (at, row) in rows.0.iter_mut().enumerate() {
            for (value, sum) in (0..=u8::MAX).zip(row) {
                let mut input = [0; INPUT_BYTES_MOST];
                input[at] = value;
                *sum = toeplitz(key, &input[..=at]);
            }
        }
        rows
    }

    /// The hash of an input of at most [`INPUT_BYTES_MOST`].
    pub(super) fn hash<'a>(&self, input: impl Iterator<Item = &'a u8>) -> u32 {
        self.0.iter().zip(input).fold(0, |hash, (row, &byte)| hash ^ row[usize::from(byte)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key with which the specification's examples are made.
    const KEY: [u8; KEY_BYTES] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
        0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
        0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    fn hash_of(source: &str, destination: &str) -> u32 {
        hash(&KEY, &FourTuple { local: destination.parse().unwrap(), remote: source.parse().unwrap() })
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(hash_of("66.9.149.187:2794", "161.142.100.80:1766"), 0x51cc_c178);
        assert_eq!(hash_of("199.92.111.2:14230", "65.69.140.83:4739"), 0xc626_b0ea);
        assert_eq!(hash_of("24.19.198.95:12898", "12.22.207.184:38024"), 0x5c2b_394a);
        assert_eq!(hash_of("38.27.205.30:48228", "209.142.163.6:2217"), 0xafc7_327f);
        assert_eq!(hash_of("153.39.163.191:44251", "202.188.127.2:1303"), 0x10e8_28a2);
        let v6 = [
            ("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x4020_7d3d),
            ("[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0xdde5_1bbf),
            ("[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", "[fe80::200:f8ff:fe21:67cf]:38024", 0x02d1_feef),
        ];
        for (source, destination, expected) in v6 {
            assert_eq!(hash_of(source, destination), expected, "{source} {destination}");
        }
    }
}
