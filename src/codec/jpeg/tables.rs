//! The tables that JPEG files have unless they say otherwise: ITU-T T.81 annex K, and the scaling of
//! quantization tables by a quality (RFC 2435 section 4.2).

/// A Huffman table as a file has it (ITU-T T.81 section B.2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HuffmanTable<'a> {
    /// Number of codes of each length, 1 to 16 bits.
    pub counts: &'a [u8],
    /// Values of the codes, the shortest first.
    pub values: &'a [u8],
}

impl HuffmanTable<'_> {
    /// The four tables of DC (0) or AC (1) coefficients of a file that has none: for luma, for
    /// chroma, and two that are empty.
    pub(super) const fn defaults(class: u8) -> [Self; 4] {
        let [luma, chroma] = if class == 0 { DC } else { AC };
        let none = HuffmanTable { counts: &[], values: &[] };
        [luma, chroma, none, none]
    }
}

/// Huffman tables of DC coefficients, for luma and for chroma (tables K.3 and K.4).
pub const DC: [HuffmanTable<'static>; 2] = [
    HuffmanTable {
        counts: &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        values: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
    HuffmanTable {
        counts: &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        values: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
];

/// Huffman tables of AC coefficients, for luma and for chroma (tables K.5 and K.6).
pub const AC: [HuffmanTable<'static>; 2] = [
    HuffmanTable { counts: &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], values: &AC_LUMA },
    HuffmanTable {
        counts: &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        values: &AC_CHROMA,
    },
];

#[rustfmt::skip]
const AC_LUMA: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61,
    0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52,
    0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25,
    0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45,
    0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6,
    0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3,
    0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8,
    0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

#[rustfmt::skip]
const AC_CHROMA: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61,
    0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33,
    0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18,
    0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44,
    0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63,
    0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4,
    0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
    0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7,
    0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Quantization tables of luma and chroma, row by row (tables K.1 and K.2).
const QUANTIZATION: [[u8; 64]; 2] = [
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69,
        56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81,
        104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ],
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99,
        99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    ],
];

/// The position in a block, row by row, of each coefficient in zigzag order (figure A.6).
const ZIGZAG: [usize; 64] = zigzag();

/// Diagonals from the upper left to the lower right, alternately upwards and downwards.
const fn zigzag() -> [usize; 64] {
    let mut order = [0; 64];
    let (mut i, mut row, mut column) = (0, 0, 0);
    while i < 64 {
        order[i] = row * 8 + column;
        i += 1;
        if (row + column) % 2 == 0 {
            if column == 7 {
                row += 1;
            } else if row == 0 {
                column += 1;
            } else {
                (row, column) = (row - 1, column + 1);
            }
        } else if row == 7 {
            column += 1;
        } else if column == 0 {
            row += 1;
        } else {
            (row, column) = (row + 1, column - 1);
        }
    }
    order
}

/// Returns the quantization tables of luma and chroma for a quality from 1 to 99, in zigzag order.
/// `None` for other qualities.
pub fn quantization_tables(quality: u8) -> Option<[[u8; 64]; 2]> {
    let scale = match quality {
        1..=49 => 5000 / u32::from(quality),
        50..=99 => 200 - 2 * u32::from(quality),
        _ => return None,
    };
    Some(QUANTIZATION.map(|table| {
        ZIGZAG.map(|at| {
            let value = u32::from(table.get(at).copied().unwrap_or(1));
            ((value * scale + 50) / 100).clamp(1, 255) as u8
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huffman_tables_have_as_many_values_as_codes() {
        for table in DC.iter().chain(&AC) {
            let codes: usize = table.counts.iter().map(|count| usize::from(*count)).sum();
            assert_eq!((table.counts.len(), codes), (16, table.values.len()));
            // A prefix code that leaves the code of ones only free (section C.2).
            let used: u32 =
                (1..).zip(table.counts).map(|(len, n)| u32::from(*n) << (16 - len)).sum();
            assert!(used < 1 << 16);
        }
    }

    #[test]
    fn coefficients_are_in_zigzag_order() {
        assert_eq!(ZIGZAG[..10], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]);
        assert_eq!(ZIGZAG[56..], [53, 60, 61, 54, 47, 55, 62, 63]);
    }

    #[test]
    fn tables_are_scaled_by_quality() {
        let [luma, chroma] = quantization_tables(50).unwrap();
        assert_eq!(
            (&luma[..6], &chroma[..6]),
            (&[16, 11, 12, 14, 12, 10][..], &[17, 18, 18, 24, 21, 24][..])
        );
        let [fine, _] = quantization_tables(99).unwrap();
        assert_eq!(fine[..4], [1, 1, 1, 1]);
        let [coarse, _] = quantization_tables(1).unwrap();
        assert!(coarse.iter().all(|value| *value == 255));
        let [luma, _] = quantization_tables(25).unwrap();
        assert_eq!(luma[..3], [32, 22, 24]);
        assert!([0, 100, 127, 128, 255].iter().all(|q| quantization_tables(*q).is_none()));
    }
}
