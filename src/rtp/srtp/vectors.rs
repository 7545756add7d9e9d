//! The test vectors of RFC 3711 sections B.2 and B.3, RFC 6188 sections 7.1 and 7.2, and RFC 7714
//! sections 16 and 17. Those of section 7.3 and 7.4 of RFC 6188 are for AES-192, which no suite here
//! has.

use super::cipher::{SessionKeys, derive};
use super::keys::MasterKey;
use crate::wire::mikey::CryptoSuite;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The session salt of RFC 3711 B.2 and RFC 6188 7.1.
const SALT: &str = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD";
/// How many blocks a keystream segment has (RFC 3711 B.2).
const SEGMENT: usize = 0xFF02 * 16;

fn expect_keystream(suite: CryptoSuite, key: &str, first: &str, last: &str) {
    let keys = SessionKeys::of_session(suite, &hex(key), &hex(SALT));
    let stream = keys.keystream(SEGMENT);
    assert_eq!(stream[..48], hex(first));
    assert_eq!(stream[SEGMENT - 48..], hex(last));
}

#[test]
fn rfc_3711_b_2_aes_cm() {
    expect_keystream(
        CryptoSuite::AesCm128HmacSha1_80,
        "2B7E151628AED2A6ABF7158809CF4F3C",
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
         41E95B3BB0A2E8DD477901E4FCA894C0",
        "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE
         6A2CC3787889374FBEB4C81B17BA6C44",
    );
}

#[test]
fn rfc_6188_7_1_aes_256_cm() {
    expect_keystream(
        CryptoSuite::AesCm256HmacSha1_80,
        "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
        "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac
         63c4868b7096d88421b563b8c94c9a31",
        "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d
         6eb246913062a16891433e97dd01a57f",
    );
}

/// Encryption key, authentication key and salt, of which RFC 3711 derives more than is used here.
fn expect_derived(suite: CryptoSuite, master: &str, expected: [&str; 3]) {
    let master = MasterKey::new(suite, &hex(master)).unwrap();
    for (label, expected) in (0..).zip(expected.map(hex)) {
        assert_eq!(derive(&master, label, expected.len()), expected, "label {label}");
    }
    let [key, auth, salt] = SessionKeys::derived(&master);
    assert_eq!([key, salt], [hex(expected[0]), hex(expected[2])]);
    assert_eq!(auth, hex(expected[1])[..20]);
}

#[test]
fn rfc_3711_b_3_key_derivation() {
    expect_derived(
        CryptoSuite::AesCm128HmacSha1_80,
        "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
        [
            "C61E7A93744F39EE10734AFE3FF7A087",
            "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
             E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
             6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2",
            "30CBBC08863D8C85D49DB34A9AE1",
        ],
    );
}

#[test]
fn rfc_6188_7_2_key_derivation() {
    expect_derived(
        CryptoSuite::AesCm256HmacSha1_80,
        "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6
         3b04803de51ee7c96423ab5b78d2",
        [
            "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
            "fa31791685ca444a9e07c6c64e93",
        ],
    );
}

/// Key and salt of RFC 7714 sections 16 and 17: the shorter key is the start of the longer.
fn gcm(suite: CryptoSuite) -> SessionKeys {
    let key: Vec<u8> = (0..32).collect();
    SessionKeys::of_session(suite, &key[..suite.key_len()], b"Quid pro quo")
}

#[test]
fn rfc_7714_16_srtp() {
    let header = hex("8040f17b 8041f8d3 5501a0b2");
    let packet = [&header, &b"Gallia est omnis divisa in partes tres"[..]].concat();
    for (suite, protected) in [
        (
            CryptoSuite::AeadAes128Gcm,
            "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
             899d7f27 beb16a91 52cf765e e4390cce",
        ),
        (
            CryptoSuite::AeadAes256Gcm,
            "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
             b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ] {
        let (keys, place) = (gcm(suite), (0x5501_a0b2, 0xf17b));
        let mut memory = [&packet[..], &[0; 16]].concat();
        let len = keys.protect_rtp(&mut memory, (12, packet.len()), place, &[]).unwrap();
        assert_eq!(memory[..len], [&header[..], &hex(protected)].concat());
        assert_eq!(keys.unprotect_rtp(&mut memory, 12, place, 0), Some(packet.len()));
        assert_eq!(memory[..packet.len()], packet);
    }
    // Sections 16.1.3 and 16.2.3: authenticated only, so that all of it counts as header.
    for (suite, tag) in [
        (CryptoSuite::AeadAes128Gcm, "22493f82 d2bce397 e9d79e3b 19aa4216"),
        (CryptoSuite::AeadAes256Gcm, "a866d591 0f887463 067ceefe c45215d4"),
    ] {
        let (keys, place, len) = (gcm(suite), (0x5501_a0b2, 0xf17b), packet.len());
        let mut memory = [&packet[..], &[0; 16]].concat();
        assert_eq!(keys.protect_rtp(&mut memory, (len, len), place, &[]), Some(len + 16));
        assert_eq!(memory, [&packet[..], &hex(tag)].concat());
        assert_eq!(keys.unprotect_rtp(&mut memory, len, place, 0), Some(len));
        memory[20] ^= 1;
        assert_eq!(keys.unprotect_rtp(&mut memory, len, place, 0), None);
    }
}

#[test]
fn rfc_7714_17_srtcp() {
    let packet = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
         deadbeef deadbeef deadbeef deadbeef deadbeef");
    let tagged = |tag: &str| [&packet[..], &hex(tag)].concat();
    for (suite, encrypts, protected) in [
        (
            CryptoSuite::AeadAes128Gcm,
            true,
            hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
                 c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
                 45d9eade 800005d4"),
        ),
        (
            CryptoSuite::AeadAes256Gcm,
            true,
            hex("81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
                 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
                 b26ac3be 800005d4"),
        ),
        (CryptoSuite::AeadAes128Gcm, false, tagged("841dd968 3dd78ec9 2ae58790 125f62b3 000005d4")),
        (CryptoSuite::AeadAes256Gcm, false, tagged("91db4afb feee5a97 8fab4393 ed2615fe 000005d4")),
    ] {
        let (keys, index) = (gcm(suite), 0x5d4);
        let ssrc = 0x4d61_7273;
        let mut memory = [&packet[..], &[0; 20]].concat();
        let len = packet.len();
        let len = keys.protect_rtcp(&mut memory, len, (ssrc, index), &[], encrypts).unwrap();
        assert_eq!(memory[..len], protected, "{suite} {encrypts}");
        assert_eq!(keys.rtcp_index(&memory, 0), Some((index, encrypts)));
        let plain = keys.unprotect_rtcp(&mut memory, ssrc, (index, encrypts), 0);
        assert_eq!(plain, Some(packet.len()), "{suite} {encrypts}");
        assert_eq!(memory[..packet.len()], packet);
    }
}
