use super::picture::Picture;
use super::{JpegDepacketizer, JpegPacketizer};
use crate::codec::CodecParameters;
use crate::codec::jpeg::tables::{AC, DC, quantization_tables};
use crate::codec::jpeg::tests::Picture as Source;
use crate::codec::jpeg::{Header, marker, size};
use crate::frame::Frame;
use crate::payload::testing::{
    Received, XorShift, outgoing, payloads_of, survives_garbage, timed, transmits,
};
use crate::payload::{
    DepacketizedFrames, Depacketizer, FormatRegistry, PacketBuffer, Packetizer, RtpPayload,
};
use bytes::Bytes;
use std::time::Duration;

/// Entropy-coded data with stuffed bytes and restart markers in them.
fn entropy(random: &mut XorShift, len: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < len {
        match random.next() as u8 {
            0xff => data.extend([0xff, if random.below(2) == 0 { 0 } else { 0xd0 }]),
            byte => data.push(byte),
        }
    }
    data
}

fn sent(file: Vec<u8>) -> Frame {
    Frame::new(file, Duration::ZERO, Duration::ZERO)
}

/// The packets of a file, with their header extensions, through a depacketizer.
fn received(file: &[u8], depacketizer: &mut JpegDepacketizer, max_payload: usize) -> Option<Bytes> {
    let mut out = PacketBuffer::new(max_payload);
    JpegPacketizer::new().packetize(&sent(file.to_vec()), &mut out);
    let mut frames = DepacketizedFrames::new();
    for (i, span) in out.spans().iter().enumerate() {
        let mut payload = RtpPayload::new(out.payload(i).unwrap(), 0).with_marker(span.marker);
        payload.extension = out.extension(i);
        depacketizer.handle_payload(&payload, &mut frames).unwrap();
    }
    frames.pop().map(|frame| frame.data)
}

/// Files as the depacketizer writes them, of all kinds.
fn frames(n: u64, seed: u64) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    (0..n)
        .map(|i| {
            let len = 1 + random.below(6000) as usize;
            let mut source = Source::new(640, 480, &entropy(&mut random, len));
            source.restart_interval = (random.below(2) == 0).then_some(8);
            source.components[0][1] = if random.below(2) == 0 { 0x21 } else { 0x22 };
            let file = received(&source.file(), &mut JpegDepacketizer::new(), 1400).unwrap();
            timed(file.to_vec(), i, 3600, 90_000)
        })
        .collect()
}

#[test]
fn what_goes_in_comes_out_or_is_marked() {
    for (max_payload, seed) in [(200, 1), (500, 2), (1400, 3), (9000, 4)] {
        transmits(&CodecParameters::Jpeg, &frames(12, seed), max_payload, 0);
    }
}

#[test]
fn garbage_is_survived() {
    survives_garbage(JpegDepacketizer::new());
}

/// What decides the decoded picture is the same, whatever the form of the headers.
#[test]
fn the_picture_of_any_file_comes_out() {
    let mut random = XorShift::new(5);
    let data = entropy(&mut random, 3000);
    let changes: [fn(&mut Source); 7] = [
        |_| {},
        |s| s.components[0][1] = 0x21,
        |s| s.restart_interval = Some(12),
        |s| s.huffman.clear(),
        // One table for all; tables in one segment under other numbers; Huffman tables too.
        |s| {
            s.quantization.truncate(1);
            s.components = vec![[1, 0x22, 0], [2, 0x11, 0], [3, 0x11, 0]];
        },
        |s| {
            let parts = [&[2][..], &[7; 64], &[3], &[9; 64]];
            s.quantization = vec![parts.concat()];
            s.components = vec![[0, 0x22, 3], [1, 0x11, 2], [2, 0x11, 2]];
            s.scan.0 = vec![[0, 0], [1, 0x11], [2, 0x11]];
        },
        |s| {
            s.huffman = vec![(1, DC[0]), (0, DC[1]), (0x11, AC[0]), (0x12, AC[1])];
            s.scan.0 = vec![[1, 0x11], [2, 0x02], [3, 0x02]];
        },
    ];
    for change in changes {
        let mut source = Source::new(640, 480, &data);
        change(&mut source);
        let file = source.file();
        let back = received(&file, &mut JpegDepacketizer::new(), 1400).unwrap();
        let (before, after) = (Picture::of(&file).unwrap(), Picture::of(&back).unwrap());
        assert_eq!((before.1, before.0.kind), (after.1, after.0.kind));
        assert_eq!((before.0.width, before.0.height), (after.0.width, after.0.height));
        assert_eq!(before.0.restart_interval, after.0.restart_interval);
        assert_eq!(before.0.tables.luma, after.0.tables.luma);
        assert_eq!(before.0.tables.chroma, after.0.tables.chroma);
        let header = Header::parse(&back).unwrap();
        let ids: Vec<_> = header.components().iter().map(|component| component.id).collect();
        assert_eq!(ids, [1, 2, 3], "as JFIF has them");
        assert_eq!(received(&back, &mut JpegDepacketizer::new(), 1400), Some(back.clone()));
    }
}

#[test]
fn headers_are_those_of_the_specification() {
    let mut source = Source::new(640, 480, &[5; 40]);
    source.quantization = vec![[&[0][..], &[2; 64]].concat(), [&[1][..], &[3; 64]].concat()];
    source.restart_interval = Some(20);
    let packets = payloads_of(&mut JpegPacketizer::new(), &sent(source.file()), 184);
    // Section 3.1: offset 0, type 65, Q 255, 80 × 60 blocks; 3.1.7: 20 MCUs, F, L, 0x3fff; 3.1.8:
    // 8 bits, 128 bytes of tables.
    let mut first = vec![0, 0, 0, 0, 65, 255, 80, 60, 0, 20, 0xff, 0xff, 0, 0, 0, 128];
    first.extend([2; 64]);
    first.extend([3; 64]);
    first.extend([5; 40]);
    assert_eq!(packets, [(first, true)]);
    source.restart_interval = None;
    source.components[0][1] = 0x21;
    source.data = vec![5; 50];
    let packets = payloads_of(&mut JpegPacketizer::new(), &sent(source.file()), 184);
    assert_eq!(packets[0].0[..12], [0, 0, 0, 0, 0, 255, 80, 60, 0, 0, 0, 128]);
    let rest = [&[0, 0, 0, 44, 0, 255, 80, 60][..], &[5; 6]].concat();
    assert_eq!(packets[1], (rest, true));
}

#[test]
fn what_cannot_be_carried_is_dropped_with_its_reason() {
    type Change = fn(&mut Source);
    let reasons: [(Change, &str); 12] = [
        (|s| s.process = (0xc2, 8), "progressive"),
        (|s| s.process = (0xc1, 12), "8 bits"),
        (|s| s.process = (0xc1, 8), "baseline"),
        (|s| s.process = (0xc9, 8), "baseline"),
        (|s| s.components[0][1] = 0x11, "chroma"),
        (|s| s.components[0][1] = 0x41, "chroma"),
        (
            |s| {
                s.components.truncate(1);
                s.scan.0.truncate(1);
            },
            "greyscale",
        ),
        (|s| s.components.push([4, 0x11, 1]), "three components"),
        (|s| s.huffman[2] = (0x10, AC[1]), "-huffman default"),
        (|s| s.scan.0.truncate(1), "several scans"),
        (|s| s.quantization.truncate(1), "lacks"),
        (|s| s.height = 0, "height"),
    ];
    let mut packetizer = JpegPacketizer::new();
    for (n, (change, reason)) in (1..).zip(reasons) {
        let mut source = Source::new(64, 64, &[5; 40]);
        change(&mut source);
        let file = source.file();
        let why = Picture::of(&file).unwrap_err();
        assert!(why.contains(reason), "{why}");
        assert!(payloads_of(&mut packetizer, &sent(file), 1400).is_empty());
        assert_eq!(packetizer.unsent().unsupported, n);
    }
    for (file, max_payload) in [
        (Vec::new(), 1400),
        (b"GIF89a".to_vec(), 1400),
        (Source::new(64, 64, &[]).file(), 1400),
        (Source::new(64, 64, &[5]).file(), 100),
    ] {
        assert!(payloads_of(&mut packetizer, &sent(file), max_payload).is_empty());
    }
    assert_eq!(packetizer.unsent().unsupported, 16);
    assert!(
        !payloads_of(&mut packetizer, &sent(Source::new(64, 64, &[5]).file()), 1400).is_empty()
    );
}

#[test]
fn sizes_are_rounded_to_blocks_unless_the_description_is_exact() {
    let file = Source::new(1366, 765, &[5; 40]).file();
    let of = |mut d: JpegDepacketizer| size(&received(&file, &mut d, 1400).unwrap()).unwrap();
    assert_eq!(of(JpegDepacketizer::new()), (1368, 768));
    assert_eq!(of(JpegDepacketizer::new().with_dimensions(1366, 765)), (1366, 765));
    assert_eq!(of(JpegDepacketizer::new().with_dimensions(640, 480)), (1368, 768), "of another");
}

#[test]
fn large_pictures_have_their_frame_header_in_an_extension() {
    let file = Source::new(3840, 2160, &[5; 4000]).file();
    let mut out = PacketBuffer::new(1400);
    JpegPacketizer::new().packetize(&sent(file.clone()), &mut out);
    assert!(out.is_well_formed());
    // ONVIF Streaming Specification, "JPEG over RTP": the marker segment, filled up to whole words.
    let expected = [
        &[0xff, 0xff, 0xc0, 0, 17, 8, 0x08, 0x70, 0x0f, 0x00, 3][..],
        &[1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1],
    ];
    assert_eq!(out.extension(0), Some((0xffd8, &expected.concat()[..])));
    assert_eq!(out.extension(1), None);
    assert_eq!(out.payload(0).unwrap()[..8], [0, 0, 0, 0, 1, 255, 0, 0]);
    let back = received(&file, &mut JpegDepacketizer::new(), 1400).unwrap();
    assert_eq!(size(&back), Some((3840, 2160)));
    assert_eq!(received(&back, &mut JpegDepacketizer::new(), 700), Some(back));
}

/// A whole picture in one packet, without its extension.
fn packet(of_type: u8, q: u8, width: u8, tables: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, of_type, q, width, 60][..], tables, &[7; 20]].concat()
}

#[test]
fn large_pictures_without_an_extension_have_the_size_of_the_description() {
    let payload = packet(1, 50, 0, &[]);
    let of = |depacketizer: JpegDepacketizer| {
        let mut d = Received::new(depacketizer);
        d.handle_payload(&payload, true, 0, false).unwrap();
        (size(&d.poll_frame().unwrap().data).unwrap(), d.deviations())
    };
    assert_eq!(of(JpegDepacketizer::new().with_dimensions(2592, 480)), ((2592, 480), 0));
    assert_eq!(
        of(JpegDepacketizer::new()),
        ((2048, 480), 1),
        "256 blocks, of which 8 bits are left"
    );
}

#[test]
fn an_extension_may_bring_everything() {
    let mut source = Source::new(4000, 3000, &[5; 30]);
    // 4:4:4 with one table for all, and identifiers from 0.
    source.components = vec![[0, 0x11, 0], [1, 0x11, 0], [2, 0x11, 0]];
    source.scan.0 = vec![[0, 0], [1, 0x11], [2, 0x11]];
    source.quantization.truncate(1);
    let file = source.file();
    let scan_at = Header::parse(&file).unwrap().scan_at;
    let with = |extension: &[u8]| {
        let payload = packet(1, 128, 0, &[0, 0, 0, 0]);
        let mut payload = RtpPayload::new(&payload, 0).with_marker(true);
        payload.extension = Some((0xffd8, extension));
        let mut frames = DepacketizedFrames::new();
        let result = JpegDepacketizer::new().handle_payload(&payload, &mut frames);
        (result.is_ok(), frames.pop().map(|frame| frame.data))
    };
    let (_, back) = with(&file[2..scan_at]);
    let back = back.unwrap();
    let header = Header::parse(&back).unwrap();
    assert_eq!((header.width, header.height, header.components().len()), (4000, 3000, 3));
    assert_eq!(header.quantization_table(0).unwrap().values, &source.quantization[0][1..]);
    // Without the scan header it is made for those components.
    let without_scan = scan_at - 14;
    assert_eq!(with(&file[2..without_scan]).1, Some(back));
    // Segments that contradict each other, or are cut off.
    source.scan.0[1] = [9, 0];
    assert_eq!(with(&source.file()[2..scan_at]), (false, None));
    assert_eq!(with(&file[2..9]), (false, None));
}

#[test]
fn quantization_tables_are_computed_or_remembered() {
    let mut d = Received::new(JpegDepacketizer::new());
    let mut tables_of = |payload: &[u8]| {
        let result = d.handle_payload(payload, true, 0, false);
        let data = d.poll_frame()?.data;
        assert!(result.is_ok());
        let header = Header::parse(&data).unwrap();
        let table = |n| header.quantization_table(n).unwrap();
        Some((table(0).values.to_vec(), table(1).values.to_vec(), table(1).is_16_bit))
    };
    let [luma, chroma] = quantization_tables(75).unwrap();
    assert_eq!(tables_of(&packet(1, 75, 80, &[])), Some((luma.into(), chroma.into(), false)));
    let both = [&[0, 0, 0, 128][..], &[4; 64], &[6; 64]].concat();
    let expected = Some((vec![4; 64], vec![6; 64], false));
    assert_eq!(tables_of(&packet(1, 200, 80, &[0, 0, 0, 0])), None, "they have not come yet");
    assert_eq!(tables_of(&packet(1, 200, 80, &both)), expected);
    assert_eq!(tables_of(&packet(1, 200, 80, &[0, 0, 0, 0])), expected);
    assert_eq!(tables_of(&packet(1, 201, 80, &[0, 0, 0, 0])), None);
    // Those of Q 255 are for one picture.
    assert_eq!(tables_of(&packet(1, 255, 80, &both)), expected);
    assert_eq!(tables_of(&packet(1, 255, 80, &[0, 0, 0, 0])), None);
    // One for all, and 16 bits for chroma.
    let one = [&[0, 0, 0, 64][..], &[8; 64]].concat();
    assert_eq!(tables_of(&packet(1, 255, 80, &one)), Some((vec![8; 64], vec![8; 64], false)));
    let wide = [&[0, 2, 0, 192][..], &[8; 64], &[1; 128]].concat();
    assert_eq!(tables_of(&packet(1, 255, 80, &wide)), Some((vec![8; 64], vec![1; 128], true)));
    // Reserved qualities, tables that are cut off or too short, other types.
    for bad in [
        packet(1, 0, 80, &[]),
        packet(1, 100, 80, &[]),
        packet(1, 255, 80, &[0, 0, 1, 0]),
        packet(1, 255, 80, &[&[0, 0, 0, 70][..], &[1; 70]].concat()),
        packet(2, 50, 80, &[]),
        packet(66, 50, 80, &[0, 1, 2, 3]),
        vec![0, 0, 0],
    ] {
        assert_eq!(tables_of(&bad), None, "{bad:?}");
    }
}

#[test]
fn fragments_follow_each_other_without_a_gap() {
    let mut d = Received::new(JpegDepacketizer::new());
    let fragment = |offset: u8, body: &[u8]| [&[0, 0, 0, offset, 1, 50, 8, 8][..], body].concat();
    d.handle_payload(&fragment(0, &[1, 2]), false, 0, false).unwrap();
    d.handle_payload(&fragment(2, &[3]), true, 0, false).unwrap();
    let frame = d.poll_frame().unwrap();
    assert!(frame.data.ends_with(&[1, 2, 3, 0xff, marker::EOI]));
    // A gap that no loss explains.
    d.handle_payload(&fragment(0, &[1, 2]), false, 1, false).unwrap();
    assert!(d.handle_payload(&fragment(3, &[3]), true, 1, false).is_err());
    assert!(d.poll_frame().is_none());
    // The end marker and padding come with the data, or the marker bit does not come.
    d.handle_payload(&fragment(0, &[1, 0xff, 0xd9, 0, 0]), false, 2, false).unwrap();
    d.handle_payload(&fragment(0, &[1]), false, 3, false).unwrap();
    let frame = d.poll_frame().unwrap();
    assert!(frame.discontinuity && frame.data.ends_with(&[0, 1, 0xff, 0xd9]));
    d.handle_end();
    assert!(d.poll_frame().is_none(), "nothing tells that it is whole");
    // No data at all.
    d.handle_payload(&fragment(0, &[]), true, 4, false).unwrap();
    assert!(d.poll_frame().is_none());
}

#[test]
fn sdp_has_the_static_type_and_maybe_the_size() {
    let (format, _) = outgoing(&CodecParameters::Jpeg);
    assert_eq!((format.payload_type, &*format.encoding_name), (26, "JPEG"));
    assert!(FormatRegistry::standard().key_frame_test(&format).is_none());
    let of = |attribute: &str| {
        let sdp = format!("v=0\r\nm=video 0 RTP/AVP 26\r\na={attribute}\r\n");
        let sdp = crate::wire::sdp::SessionDescription::parse(sdp.as_bytes()).unwrap();
        let format = FormatRegistry::standard().format_in(&sdp.media[0]).unwrap();
        let mut depacketizer = FormatRegistry::standard().depacketizer(&format).unwrap();
        let mut frames = DepacketizedFrames::new();
        let payload = packet(1, 50, 0, &[]);
        let payload = RtpPayload::new(&payload, 0).with_marker(true);
        depacketizer.handle_payload(&payload, &mut frames).unwrap();
        size(&frames.pop().unwrap().data).unwrap()
    };
    assert_eq!(of("x-dimensions:2592,480"), (2592, 480));
    assert_eq!(of("framesize:26 2592-480"), (2592, 480));
    for other in ["framesize:96 2592-480", "x-dimensions:0,0", "x-dimensions:99999,480"] {
        assert_eq!(of(other), (2048, 480), "{other}");
    }
}
