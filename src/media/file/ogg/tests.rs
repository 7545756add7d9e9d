//! Probe and sources together, over files that are written here and over real ones.

use super::page::checksum;
use super::*;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::media::file::testing::{TracksPlayer, check_same_frames, finish, frames_of};
use crate::media::{Ending, FramePoll, SeekError, Wait};
use crate::payload::testing::XorShift;
use std::time::{Duration, Instant};

const BEGINS: u8 = 2;
const ENDS: u8 = 4;
const CONTINUED: u8 = 1;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Writes the pages of a logical stream (RFC 3533 section 6).
struct Pages {
    serial: u32,
    sequence: u32,
}

impl Pages {
    const fn new(serial: u32) -> Self {
        Self { serial, sequence: 0 }
    }

    /// A page with these segment lengths and this content.
    fn page(&mut self, flags: u8, granule: i64, segments: &[u8], content: &[u8]) -> Vec<u8> {
        let mut out = [&b"OggS\0"[..], &[flags], &granule.to_le_bytes()].concat();
        out.extend(self.serial.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend([0; 4]);
        out.push(segments.len() as u8);
        out.extend(segments);
        out.extend(content);
        let crc = checksum(0, &out);
        out[22..26].copy_from_slice(&crc.to_le_bytes());
        self.sequence += 1;
        out
    }

    /// A page of whole packets.
    fn packets(&mut self, flags: u8, granule: i64, packets: &[Vec<u8>]) -> Vec<u8> {
        let mut segments = Vec::new();
        for packet in packets {
            segments.extend(vec![255; packet.len() / 255]);
            segments.push((packet.len() % 255) as u8);
        }
        self.page(flags, granule, &segments, &packets.concat())
    }

    /// The two headers of Opus (RFC 7845 section 5).
    fn opus_headers(&mut self) -> Vec<u8> {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0".to_vec();
        let first = self.packets(BEGINS, 0, &[head]);
        [first, self.packets(0, 0, &[b"OpusTags\0\0\0\0\0\0\0\0".to_vec()])].concat()
    }
}

/// A packet of Opus of 20 ms (RFC 6716 section 3.1: configuration 31, stereo, one frame).
fn packet(n: usize) -> Vec<u8> {
    let mut packet = vec![31 << 3 | 4];
    packet.extend((n as u32).to_le_bytes());
    packet.resize(20 + n * 7 % 90, n as u8);
    packet
}

/// Pages of ten packets of Opus, of which the stream has `count`.
fn opus_pages(pages: &mut Pages, count: usize) -> Vec<Vec<u8>> {
    let packets: Vec<_> = (0..count).map(packet).collect();
    let mut end = 0;
    let chunks = packets.chunks(10);
    let last = chunks.len().saturating_sub(1);
    let page = |(i, chunk): (usize, &[Vec<u8>])| {
        end += chunk.len() as i64 * 960;
        pages.packets(if i == last { ENDS } else { 0 }, end, chunk)
    };
    chunks.enumerate().map(page).collect()
}

fn opus_file(count: usize) -> Vec<u8> {
    let mut pages = Pages::new(7);
    let headers = pages.opus_headers();
    [headers, opus_pages(&mut pages, count).concat()].concat()
}

fn probe(bytes: Vec<u8>) -> Result<Arc<dyn MediaFile>, String> {
    let calls = bytes.len() * 2 + 1000;
    finish(probe_ogg_bytes(bytes.into()).unwrap(), 100, calls)
}

fn play(bytes: Vec<u8>) -> Vec<Vec<Frame>> {
    TracksPlayer::new(&probe(bytes).unwrap()).interleaved()
}

/// The frames must be the packets from `first` on, without a gap.
fn check(frames: &[Frame], first: usize, count: usize) {
    assert_eq!(frames.len(), count);
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame.data, packet(first + i), "packet {i}");
        assert_eq!((frame.pts, frame.duration), (ms((first + i) as u64 * 20), ms(20)));
        assert_eq!(frame.dts, frame.pts);
        assert_eq!(frame.flags.discontinuity, i == 0 && first > 0, "packet {i}");
    }
}

#[test]
fn packets_of_opus_come_out_with_their_times() {
    let media = probe(opus_file(995)).unwrap();
    let opus = CodecParameters::Opus { channels: 2, mapping: None };
    assert_eq!(media.tracks()[0].parameters, opus);
    assert_eq!(media.tracks()[0].duration, Some(ms(19_900)));
    check(&TracksPlayer::new(&media).all(0), 0, 995);
}

#[test]
fn what_follows_a_seek_is_what_follows_that_place_anyway() {
    let media = probe(opus_file(3000)).unwrap();
    let mut player = TracksPlayer::new(&media);
    for npt in [30_005, 59_999, 0, 20, 19, 180, 199, 200, 201, 45_120, 60_000] {
        assert_eq!(player.seek(ms(npt)), Ok(ms(npt)));
        let first = (npt / 20) as usize;
        let mut frames = player.all(0);
        if let (0, Some(frame)) = (first, frames.first_mut()) {
            assert!(std::mem::take(&mut frame.flags.discontinuity));
        }
        check(&frames, first, 3000 - first);
    }
    assert_eq!(player.seek(ms(60_001)), Err(SeekError::OutOfRange));
}

#[test]
fn packets_go_on_across_pages() {
    let mut pages = Pages::new(7);
    let headers = pages.opus_headers();
    let long = [packet(1), vec![9; 1000]].concat();
    // A part without its end, which no packet ends on the page of; then the rest and another.
    let parts = [
        pages.page(
            0,
            960,
            &[packet(0).len() as u8, 255],
            &[packet(0), long[..255].to_vec()].concat(),
        ),
        pages.page(CONTINUED, -1, &[255, 255], &long[255..765]),
        pages.page(
            CONTINUED | ENDS,
            2880,
            &[255, (long.len() - 1020) as u8, packet(2).len() as u8],
            &[&long[765..], &packet(2)].concat(),
        ),
    ];
    let frames = play([headers, parts.concat()].concat());
    let data: Vec<_> = frames[0].iter().map(|f| f.data.to_vec()).collect();
    assert_eq!(data, [packet(0), long, packet(2)]);
    let times: Vec<_> = frames[0].iter().map(|f| f.pts).collect();
    assert_eq!(times, [ms(0), ms(20), ms(40)]);
}

#[test]
fn pages_that_are_damaged_or_missing_leave_a_marked_gap() {
    let mut pages = Pages::new(7);
    let headers = pages.opus_headers();
    let whole = opus_pages(&mut pages, 100);
    for damage in 0..3 {
        let mut parts = whole.clone();
        match damage {
            0 => parts[4][40] ^= 1,
            1 => drop(parts.remove(4)),
            _ => parts[4] = [&[0; 5000][..], b"OggS\0\0OggSOggS"].concat(),
        }
        let frames = &play([headers.clone(), parts.concat()].concat())[0];
        assert_eq!(frames.len(), 90);
        for (i, frame) in frames.iter().enumerate() {
            let n = if i < 40 { i } else { i + 10 };
            assert_eq!((&frame.data[..], frame.pts), (&packet(n)[..], ms(n as u64 * 20)));
            assert_eq!(frame.flags.discontinuity, i == 40);
        }
    }
    // Half of a packet is none.
    let mut pages = Pages::new(7);
    pages.opus_headers();
    let cut = pages.page(0, 960, &[20, 255], &[0xfc; 275]);
    pages.sequence += 1;
    let rest = pages.page(CONTINUED, 2880, &[9, 20], &[0xfc; 29]);
    let frames = &play([headers, cut, rest].concat())[0];
    assert_eq!(frames.iter().map(|f| f.data.len()).collect::<Vec<_>>(), [20, 20]);
    assert_eq!((frames[1].pts, frames[1].flags.discontinuity), (ms(40), true));
}

#[test]
fn the_granule_position_of_the_last_page_cuts_nothing_off_but_the_duration() {
    let mut pages = Pages::new(7);
    let headers = pages.opus_headers();
    let mut parts = opus_pages(&mut pages, 20);
    pages.sequence -= 1;
    parts[1] = pages.packets(ENDS, 19 * 960 - 500, &(10..20).map(packet).collect::<Vec<_>>());
    let media = probe([headers, parts.concat()].concat()).unwrap();
    let heard = Duration::from_nanos((19 * 960 - 500) * 1_000_000_000 / 48_000);
    assert_eq!(media.tracks()[0].duration, Some(heard));
    let mut player = TracksPlayer::new(&media);
    check(&player.all(0), 0, 20);
    // Also behind a seek into that page.
    player.seek(ms(330)).unwrap();
    assert_eq!(player.next(0).unwrap().data, packet(16));
}

#[test]
fn a_stream_may_begin_anywhere_and_others_are_passed_over() {
    let (mut opus, mut other, mut second) = (Pages::new(7), Pages::new(8), Pages::new(9));
    let theora = other.packets(BEGINS, 0, &[b"\x80theora\x03\x02\x01".to_vec()]);
    let (headers, second_headers) = (opus.opus_headers(), second.opus_headers());
    // All first pages come before any other.
    let first_page = |headers: &[u8]| headers[..28 + 19].to_vec();
    let rest = |headers: &[u8]| headers[28 + 19..].to_vec();
    let start = 48_000 * 100;
    let mut bytes = [theora, first_page(&headers), first_page(&second_headers)].concat();
    bytes.extend([rest(&headers), rest(&second_headers)].concat());
    for n in 0..50_usize {
        let packets: Vec<_> = (n * 10..n * 10 + 10).map(packet).collect();
        let end = start + (n as i64 + 1) * 9600;
        bytes.extend(opus.packets(0, end, &packets));
        bytes.extend(other.packets(0, n as i64, &[vec![3; 4000]]));
        // A second one that begins half a second later.
        bytes.extend(second.packets(0, end + 24_000, &packets));
    }
    let media = probe(bytes).unwrap();
    assert_eq!(media.tracks().len(), 2);
    assert_eq!(media.tracks()[0].duration, Some(ms(10_500)));
    let mut player = TracksPlayer::new(&media);
    let frames = player.interleaved();
    check(&frames[0], 0, 500);
    assert_eq!((frames[1][0].pts, frames[1].len()), (ms(500), 500));
    assert_eq!(player.seek(ms(7010)), Ok(ms(7010)));
    assert_eq!((player.next(0).unwrap().pts, player.next(1).unwrap().pts), (ms(7000), ms(7000)));
}

#[test]
fn of_a_chain_the_first_link_is_played() {
    let link = |serial, count| {
        let mut pages = Pages::new(serial);
        [pages.opus_headers(), opus_pages(&mut pages, count).concat()].concat()
    };
    for (first, second) in [(300, 5000), (5000, 300), (3, 3), (3, 5000), (700, 10)] {
        let media = probe([link(1, first), link(2, second), link(3, 40)].concat()).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(first as u64 * 20)), "{first} {second}");
        check(&TracksPlayer::new(&media).all(0), 0, first);
    }
}

#[test]
fn files_without_anything_to_send_are_refused() {
    let not_ogg = "not an Ogg file";
    for bytes in [vec![], vec![0; 5000], b"OggS".to_vec(), vec![b'O'; 2 << 20]] {
        assert_eq!(probe(bytes).unwrap_err(), not_ogg);
    }
    let mut pages = Pages::new(1);
    let headers = pages.opus_headers();
    let none = "no track that can be streamed";
    for bytes in [
        Pages::new(1).packets(BEGINS, 0, &[b"\x7fFLAC\x01\0".to_vec()]),
        Pages::new(1).packets(BEGINS, 0, &[b"OpusHead\x01".to_vec()]),
        headers[..47].to_vec(),
        headers,
    ] {
        assert_eq!(probe(bytes).unwrap_err(), none);
    }
}

#[test]
fn damaged_bytes_lose_packets_and_nothing_else() {
    let sound = opus_file(500);
    let mut random = XorShift::new(3);
    let mut spoilt: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            let mut bytes = sound.clone();
            for _ in 0..1 + random.below(6) {
                let area = if random.below(2) == 0 { 300 } else { bytes.len() as u64 };
                let at = random.below(area) as usize;
                bytes[at] = random.next() as u8;
            }
            if random.below(3) == 0 {
                bytes.truncate(random.below(bytes.len() as u64) as usize);
            }
            bytes
        })
        .collect();
    spoilt.push([&sound[..5000], &b"OggS".repeat(3000), &sound[5000..]].concat());
    for bytes in spoilt {
        let len = bytes.len();
        let Ok(media) = probe(bytes) else { continue };
        let mut player = TracksPlayer::new(&media);
        assert!(player.all(0).iter().map(|f| f.data.len()).sum::<usize>() <= len);
        for npt in [ms(5000), ms(0), ms(9990)] {
            if player.seek(npt).is_ok() {
                player.all(0);
            }
        }
    }
}

#[test]
fn each_poll_does_little() {
    // Pages as small as they can be, of a stream that is left out.
    let (mut opus, mut other) = (Pages::new(7), Pages::new(8));
    let first = other.packets(BEGINS, 0, &[b"\x80theora".to_vec()]);
    let mut bytes = [first, opus.opus_headers()].concat();
    bytes.extend(opus.packets(0, 960, &[packet(0)]));
    (0..20_000).for_each(|n| bytes.extend(other.packets(0, n, &[])));
    bytes.extend(opus.packets(ENDS, 1920, &[packet(1)]));
    let media = probe(bytes).unwrap();
    let mut demuxers = crate::media::demux::DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    let mut source = Arc::clone(&media).open_track(0, 0, cx).unwrap();
    let (mut frames, mut polls) = (0, 0);
    loop {
        match source.poll_frame(cx) {
            FramePoll::Ready(_) => frames += 1,
            FramePoll::Pending(wait) => assert_eq!(wait, Wait::Work),
            FramePoll::Ended(ending) => break assert_eq!(ending, Ending::EndOfStream),
        }
        polls += 1;
    }
    assert!(frames == 2 && polls > 1000, "{frames} {polls}");
}

#[test]
fn frames_are_those_of_matroska() {
    for (name, source) in [("sound.opus", "vp9_opus.webm"), ("vorbis.ogg", "vp8_vorbis.webm")] {
        let ((media, found), (other, expected)) = (frames_of(name), frames_of(source));
        assert_eq!(media.tracks()[0].parameters, other.tracks()[1].parameters, "{name}");
        check_same_frames(name, &found[0], &expected[1]);
        let duration = media.tracks()[0].duration.unwrap();
        assert!(duration.abs_diff(ms(2000)) < ms(30), "{name}: {duration:?}");
        let end = found[0].iter().map(|f| f.pts + f.duration).max().unwrap();
        assert!(end + ms(1) > duration && end < duration + ms(50), "{name}: {end:?} {duration:?}");
    }
}
