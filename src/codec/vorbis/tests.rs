use super::*;

/// Writes bits as section 2 packs them.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn put(&mut self, count: u32, value: u32) -> &mut Self {
        for bit in 0..count {
            if self.used % 8 == 0 {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
        self
    }
}

fn identification(sampling_rate: u32, channels: u8, sizes: u8) -> Vec<u8> {
    let mut header = b"\x01vorbis\0\0\0\0".to_vec();
    header.push(channels);
    header.extend(sampling_rate.to_le_bytes());
    header.extend([0; 12]);
    header.extend([sizes, 1]);
    header
}

/// A setup header with every kind of codebook, both floors and `modes`, of which those in the mask have
/// long blocks.
fn setup(channels: u8, modes: u32, long: u64) -> Vec<u8> {
    let mut w = BitWriter { bytes: b"\x05vorbis".to_vec(), used: 56 };
    w.put(8, 3); // four codebooks
    // Every entry with a length, no lookup.
    w.put(24, 0x56_4342).put(16, 1).put(24, 2).put(2, 0).put(5, 0).put(5, 0).put(4, 0);
    // Sparse, lookup of 3 values (3² ≤ 15 < 4²) of 4 bits.
    w.put(24, 0x56_4342).put(16, 2).put(24, 15).put(1, 0).put(1, 1);
    for entry in 0..15 {
        w.put(1, entry & 1);
        if entry & 1 == 1 {
            w.put(5, 3);
        }
    }
    w.put(4, 1).put(32, 7).put(32, 9).put(4, 3).put(1, 0).put(3 * 4, 0xfff);
    // Ordered: 2 entries of length 1 + 1, 6 of the next; lookup of 8 × 2 values of 1 bit.
    w.put(24, 0x56_4342).put(16, 2).put(24, 8).put(1, 1).put(5, 1).put(4, 2).put(3, 6);
    w.put(4, 2).put(32, 7).put(32, 9).put(4, 0).put(1, 1).put(16, 0xffff);
    // One entry.
    w.put(24, 0x56_4342).put(16, 4).put(24, 1).put(2, 0).put(5, 1).put(4, 0);
    w.put(6, 0).put(16, 0);
    w.put(6, 1);
    w.put(16, 0).put(8, 1).put(16, 2).put(16, 3).put(6, 4).put(8, 5).put(4, 1).put(16, 0xabcd);
    // Three partitions of classes 1, 0, 1; class 1 has two subclasses.
    w.put(16, 1).put(5, 3).put(4, 1).put(4, 0).put(4, 1);
    w.put(3, 0).put(2, 0).put(8, 1);
    w.put(3, 2).put(2, 1).put(8, 0).put(8, 1).put(8, 2);
    w.put(2, 1).put(4, 5);
    for _ in 0..3 + 1 + 3 {
        w.put(5, 0x15);
    }
    // Two classifications with cascades of 2 and 3 books.
    w.put(6, 0).put(16, 2).put(24, 0).put(24, 64).put(24, 8).put(6, 1).put(8, 0);
    w.put(3, 0b101).put(1, 0).put(3, 0b010).put(1, 1).put(5, 0b1_1000).put(32, 0).put(8, 0);
    w.put(6, 0).put(16, 0);
    if channels > 1 {
        let bits = u32::BITS - (u32::from(channels) - 1).leading_zeros();
        w.put(1, 1).put(4, 1).put(1, 1).put(8, 0).put(bits, 0).put(bits, 1).put(2, 0);
        for _ in 0..channels {
            w.put(4, 1);
        }
        w.put(24, 0).put(24, 0x01_0100);
    } else {
        w.put(1, 0).put(1, 0).put(2, 0).put(24, 0);
    }
    w.put(6, modes - 1);
    for mode in 0..modes {
        w.put(1, (long >> mode & 1) as u32).put(32, 0).put(8, 0);
    }
    w.put(1, 1);
    w.bytes
}

/// The headers of a stream with blocks of 256 and 2048 samples. Packets that begin with 0 have a short
/// block, with 2 a long one.
pub(crate) fn headers(sampling_rate: u32, channels: u8) -> [Bytes; 3] {
    let comment = b"\x03vorbis\x04\0\0\0test\0\0\0\0\x01".to_vec();
    [identification(sampling_rate, channels, 0xb8), comment, setup(channels, 2, 0b10)]
        .map(Bytes::from)
}

#[test]
fn headers_tell_how_long_packets_are() {
    for channels in [1, 2, 6] {
        let headers = Headers::parse(&headers(44_100, channels)).unwrap();
        assert_eq!((headers.sampling_rate, headers.channels), (44_100, channels));
        assert_eq!(headers.block_size(&[0b00]), Some(256));
        assert_eq!(headers.block_size(&[0b10, 7]), Some(2048));
        assert_eq!(headers.block_size(&[0b01]), None, "a header");
        assert_eq!(headers.block_size(&[]), None);
        assert_eq!(headers.previous_block_size(&[0b010]), Some(256));
        assert_eq!(headers.previous_block_size(&[0b110]), Some(2048));
        assert_eq!(headers.previous_block_size(&[0b100]), None, "a short block does not tell");
        assert_eq!(headers.packet_samples(None, &[0b10]), Some(0));
        assert_eq!(headers.packet_samples(Some(2048), &[0b00]), Some(576));
        assert_eq!(headers.packet_samples(Some(256), &[0b00]), Some(128));
    }
}

#[test]
fn mode_numbers_have_as_many_bits_as_they_need() {
    let [identification, comment, _] = headers(48_000, 2);
    let of = |modes, long| {
        let all = [identification.clone(), comment.clone(), setup(2, modes, long).into()];
        Headers::parse(&all).unwrap()
    };
    // One mode has no number; what follows is the windows' form.
    assert_eq!(of(1, 1).block_size(&[0b10]), Some(2048));
    let five = of(5, 0b1_0010);
    assert_eq!(five.block_size(&[0b1000]), Some(2048));
    assert_eq!(five.block_size(&[0b1_0010]), Some(2048));
    assert_eq!(five.block_size(&[0b0100]), Some(256));
    assert_eq!(five.block_size(&[0b1010]), None, "there is no mode 5");
    assert_eq!(of(64, 1 << 63).block_size(&[0b0111_1110]), Some(2048));
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let good = headers(48_000, 2);
    let with = |i: usize, header: Vec<u8>| {
        let mut all = good.clone();
        all[i] = header.into();
        Headers::parse(&all)
    };
    for (sampling_rate, channels, sizes) in
        [(0, 2, 0xb8), (48_000, 0, 0xb8), (48_000, 2, 0x8b), (48_000, 2, 0xe8), (48_000, 2, 0x55)]
    {
        assert!(with(0, identification(sampling_rate, channels, sizes)).is_err());
    }
    assert!(with(1, good[0].to_vec()).is_err());
    for cut in 0..good[2].len() {
        assert!(with(2, good[2][..cut].to_vec()).is_err(), "{cut}");
    }
    // Damaged ones end, whatever they say.
    for bit in 56..good[2].len() * 8 {
        let mut header = good[2].to_vec();
        header[bit / 8] ^= 1 << (bit % 8);
        let _ = with(2, header);
    }
}

#[test]
fn headers_of_matroska_are_split() {
    let all = headers(48_000, 2).map(|header| header.to_vec());
    let long = vec![7; 600];
    for [first, second, third] in [all, [vec![1; 255], long, vec![]]] {
        let mut private = vec![2];
        for header in [&first, &second] {
            private.extend(vec![255; header.len() / 255]);
            private.push((header.len() % 255) as u8);
        }
        let begin = private.len();
        private.extend([&first[..], &second, &third].concat());
        let private = Bytes::from(private);
        assert_eq!(
            split_private(&private),
            Some([&first, &second, &third].map(|h| h.clone().into()))
        );
        let needed = begin + first.len() + second.len();
        for cut in 0..needed {
            assert_eq!(split_private(&private.slice(..cut)), None);
        }
    }
    assert_eq!(split_private(&Bytes::from_static(&[1, 1, 1])), None);
}

#[test]
fn headers_of_libvorbis() {
    let private = include_bytes!("../../../fuzz/corpus/audio_formats_vorbis_headers/mono");
    let headers = split_private(&Bytes::from_static(private)).unwrap();
    let headers = Headers::parse(&headers).unwrap();
    assert_eq!((headers.sampling_rate, headers.channels), (22_050, 1));
    let size = |first| headers.block_size(&[first]);
    assert_eq!((size(0b00), size(0b10), size(0b01)), (Some(512), Some(1024), None));
}
