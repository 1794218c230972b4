//! Vectors made with an independent implementation (CPython's hashlib and
//! hmac): key, token, initial data sequence number; join and ADD_ADDR HMACs.

use super::*;

/// Key, token, initial data sequence number.
const KEYS: &[(u64, u32, u64)] = &[
    (0x0000000000000000, 0xaf5570f5, 0xe5b2328de0e83dfc),
    (0x0000000000000001, 0xcd266215, 0x19ec509083d00a50),
    (0xffffffffffffffff, 0x12a3ae44, 0x57fb595bbbacf0ca),
    (0xb785627216ed6dcc, 0x58e3b1be, 0x482e3d9d075d1d76),
    (0xcdb4336810a747c1, 0xdf363d9d, 0xe35adcfc64b23032),
    (0xf5d78de05d593322, 0x44170545, 0x4c64aff9521e495a),
    (0x8a830f11f4c1074b, 0xe6214624, 0x737ce1910fb7f9cb),
    (0x90c1ce597a06d0ee, 0x16b1710f, 0x54ff3651cf4e690b),
    (0x9ad8a79b25d8f6e3, 0x44716dbe, 0xdce1acfb147eb40b),
    (0x29a82c17d8965e81, 0xb7f89d72, 0x0b579da58e039055),
    (0xf60b1dd51d6e8cf5, 0x5d54ffb3, 0x10eecfb1adb20e11),
    (0x92e57ba06045fcfe, 0x2dea98dc, 0x3990f453d668df0c),
];

/// Sender's key, receiver's key, their nonces, leftmost 64 and leftmost 160 bits.
const JOINS: &[(u64, u64, u32, u32, u64, &str)] = &[
    (
        0xe0b24550b050b271,
        0xb0665f8f7812a421,
        0xc2f3328c,
        0x52835610,
        0x410e24ff3f11461c,
        "410e24ff3f11461c51e46ffac6d0f00449ecbb00",
    ),
    (
        0xb556cf15f3becd81,
        0xddefa6c6192630a0,
        0xe647b512,
        0x4a6038b2,
        0x02a3e099d75752fc,
        "02a3e099d75752fcf0653e2db8bbfc074323a4bf",
    ),
    (
        0x1e9825f204a240c8,
        0x9bac1f2232bc5dac,
        0x193f0b65,
        0x7c519efa,
        0x3bfbe2899b0f3d8c,
        "3bfbe2899b0f3d8c8c8ccbef74bf3354ad5c0779",
    ),
    (
        0x8bb666b38553b188,
        0x8ec13cf63ebe4c3a,
        0x5f907fbb,
        0x87d72b5b,
        0x4d27ecc0d66f4119,
        "4d27ecc0d66f4119a1f42644257e0d77f957e316",
    ),
    (
        0x3073ed11dc5987ee,
        0x07177e196611ce43,
        0xd4ac95cc,
        0x00ed3686,
        0x14d8209ca79a4aca,
        "14d8209ca79a4acaae0d465cfd933c0ac78de55e",
    ),
    (
        0xf7726de903f8a7ce,
        0x562c96352833c384,
        0xa48d5202,
        0xd070a78a,
        0x055369def42f73c1,
        "055369def42f73c149c4122d44c07878896805f6",
    ),
];

/// Sender's key, receiver's key, id, address, port, rightmost 64 bits.
type AddressVector = (u64, u64, u8, &'static str, Option<u16>, u64);

const ADDRESSES: &[AddressVector] = &[
    (0x7b795a42035c7905, 0x62fc6b9a431b2f0a, 111, "10.1.2.3", None, 0x7722712114f788b0),
    (0xe32dd160a3221add, 0x3dc4ea6fe78c8a75, 165, "192.168.7.9", Some(8080), 0x16eefae9d180cd69),
    (0x7e9a847d78d9ba0f, 0x4424c75c3a99710c, 136, "fd00::1", None, 0x9c13dc50f9707b2f),
    (0xf75e29ae1c937076, 0x61be03f1824d75c6, 232, "fd00:1:2::3", Some(443), 0xc6218115d5764874),
];

#[test]
fn tokens_and_initial_sequence_numbers() {
    for &(key, token, sequence) in KEYS {
        let hashed = HashedKey::of(Key(key));
        assert_eq!((hashed.key, hashed.token()), (Key(key), Token(token)));
        assert_eq!(hashed.initial_data_sequence, DataSeqNumber(sequence));
    }
}

#[test]
fn join_hmacs() {
    for &(sender, receiver, sender_nonce, receiver_nonce, left_64, left_160) in JOINS {
        let keys = (Key(sender), Key(receiver));
        let hmac = Macs::default().join(keys, sender_nonce, receiver_nonce);
        assert_eq!(leftmost_64(&hmac), left_64);
        let hex: String = leftmost_160(&hmac).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, left_160);
    }
}

#[test]
fn add_address_hmacs() {
    for &(sender, receiver, id, address, port, right_64) in ADDRESSES {
        let (sender, receiver) = (Key(sender), Key(receiver));
        let (keys, other_order) = ((sender, receiver), (receiver, sender));
        // One that was used before, in both orders, gives the same.
        let mut macs = Macs::default();
        macs.join(keys, 1, 2);
        macs.join(other_order, 1, 2);
        let mut option = AddAddress {
            address_id: AddressId(id),
            address: address.parse().unwrap(),
            port,
            hmac: Some(right_64),
        };
        assert_eq!(macs.add_address(keys, option.address_id, option.address, port), right_64);
        assert!(macs.is_genuine(keys, &option));
        assert!(!macs.is_genuine(other_order, &option));
        option.hmac = Some(right_64 ^ 1);
        assert!(!macs.is_genuine(keys, &option));
        option.hmac = None;
        assert!(!macs.is_genuine(keys, &option));
    }
}
