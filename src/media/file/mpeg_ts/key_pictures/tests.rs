use super::*;
use crate::media::file::mpeg_ts::probe_mpeg_ts;
use crate::media::file::mpeg_ts::tables::Tables;
use crate::media::file::testing::*;

/// PTS, and the first PCR, of what is played as one frame, in units of 1/27 µs.
fn times(data: &[u8], video: u16) -> (u64, Option<u64>) {
    let packets = || data.chunks(PACKET_LEN);
    let start = packets().filter_map(PesStart::parse).find(|start| start.pid == video).unwrap();
    (start.pts * TICKS, packets().find_map(Pcr::parse).map(|pcr| pcr.value))
}

/// The elementary stream of the video.
fn video_of(data: &[u8], video: u16) -> Vec<u8> {
    let payloads = data.chunks(PACKET_LEN).filter_map(payload_of);
    payloads.filter(|(pid, _)| *pid == video).flat_map(|(_, payload)| payload.to_vec()).collect()
}

/// Key pictures of a file: when they are by the clock, and their packets without PES headers.
fn played(name: &str, scale: f32, from: u64) -> (Vec<Frame>, Vec<Frame>) {
    let file = probed(probe_mpeg_ts, &media(name)).unwrap();
    let mut player = Player::new(&file);
    let all = player.rest();
    assert_eq!(player.source.test_scale_factor(scale), Some(scale));
    player.source.set_scale(scale);
    player.seek(Duration::from_millis(from)).unwrap();
    (all, player.rest())
}

#[test]
fn key_pictures_are_played_with_a_clock_of_their_own() {
    for (name, video) in [("program.ts", 0x100), ("program.m2ts", 0x1011)] {
        for (scale, from, count) in [(4.0, 0, 5), (2.0, 2500, 3), (-1.0, 4900, 5), (-4.0, 3500, 4)]
        {
            let (all, frames) = played(name, scale, from);
            let what = format!("{name} at {scale}");
            assert_eq!(frames.len(), count, "{what}");
            let whole: Vec<u8> = all.iter().flat_map(|f| f.data.to_vec()).collect();
            let whole = video_of(&whole, video);
            let mut last: Option<(Duration, u64, u64)> = None;
            for frame in &frames {
                // The picture is one of the file, whole: its slices follow each other there.
                let picture = video_of(&frame.data, video);
                let body = &picture[40..];
                assert!(memchr::memmem::find(&whole, body).is_some(), "{what}");
                assert!(begins_with_headers(VideoCodec::H264, &picture));
                let (pts, pcr) = times(&frame.data, video);
                let pcr = pcr.expect("a clock reference");
                assert!(pts > pcr && pts - pcr < 27_000_000, "{what}");
                if let Some((before, last_pts, last_pcr)) = last {
                    let apart = frame.pts.abs_diff(before);
                    assert!(
                        apart > Duration::from_millis(900) && apart < Duration::from_millis(1100)
                    );
                    assert_eq!(frame.pts < before, scale < 0.0);
                    let due = presented(duration_to_ticks(apart), scale);
                    assert!((pts - last_pts).abs_diff(due) < 27_000 * 2, "{what}");
                    assert!((pcr - last_pcr).abs_diff(due) < 27_000 * 2, "{what}");
                }
                last = Some((frame.pts, pts, pcr));
            }
            // Nobody sees a loss, and nothing but the tables and the video is sent.
            let mut counters = std::collections::HashMap::new();
            for packet in frames.iter().flat_map(|f| f.data.chunks(PACKET_LEN)) {
                let own = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
                let now = packet[3] & 0x0f;
                if packet[3] & 0x10 != 0 {
                    let last = counters.insert(own, now);
                    assert!(last.is_none_or(|last: u8| (last + 1) & 0x0f == now), "{what}: {own}");
                }
            }
            assert_eq!(counters.len(), 3, "{what}: {counters:?}");
            for frame in &frames {
                assert!(Tables::from_packets(&frame.data).are_complete(), "{what}");
            }
        }
    }
}

#[test]
fn after_key_pictures_all_packets_are_played_again() {
    let file = probed(probe_mpeg_ts, &media("program.ts")).unwrap();
    let mut player = Player::new(&file);
    player.seek(Duration::from_millis(2000)).unwrap();
    let normal = player.rest();
    player.source.set_scale(8.0);
    player.seek(Duration::ZERO).unwrap();
    assert!(player.rest().len() < 10);
    player.source.set_scale(1.0);
    player.seek(Duration::from_millis(2000)).unwrap();
    let again = player.rest();
    let payload = |frames: &[Frame]| -> Vec<u8> {
        let all: Vec<u8> = frames.iter().flat_map(|f| f.data.to_vec()).collect();
        video_of(&all, 0x100)
    };
    assert!(payload(&normal) == payload(&again));
    assert_eq!(normal.last().unwrap().pts, again.last().unwrap().pts);
}

#[test]
fn streams_without_pictures_are_played_as_they_are() {
    let packets = crate::framer::mpeg_ts::tests::stream(5000, 0, 27_000);
    let held = file_of(&packets);
    let file = probed(probe_mpeg_ts, held.path()).unwrap();
    assert_eq!(Player::new(&file).source.test_scale_factor(4.0), Some(1.0));
    // More slowly it would have to be written anew.
    let file = probed(probe_mpeg_ts, &media("program.ts")).unwrap();
    assert_eq!(Player::new(&file).source.test_scale_factor(0.5), Some(1.0));
}

#[test]
fn a_picture_without_an_end_is_not_followed_to_the_end_of_the_file() {
    let file = std::fs::read(media("program.ts")).unwrap();
    // The video stops in its first picture, which goes on behind 20 MB of sound.
    let is_video = |packet: &&[u8]| packet[1] & 0x1f == 1 && packet[2] == 0;
    let starts = file.chunks(188).enumerate().filter(|(_, p)| is_video(p) && p[1] & 0x40 != 0);
    let second = starts.map(|(n, _)| n * 188).nth(1).unwrap();
    let (begin, rest) = file.split_at(second);
    let sound: Vec<u8> = rest.chunks(188).filter(|p| !is_video(p)).flatten().copied().collect();
    let late = rest.chunks(188).find(|p| is_video(p) && p[1] & 0x40 == 0).unwrap();
    let bytes = [begin, &sound.repeat(20_000_000 / sound.len()), late].concat();
    let held = file_of(&bytes);
    let layout = Layout::Transport { stride: 188 };
    let (at, pcr) = layout.clocks(&bytes).next().unwrap();
    let first = Anchor { offset: at as u64, pcr, ticks: 0 };
    let mut timeline = Timeline::default();
    timeline.push(first);
    let file = File::open(held.path()).unwrap();
    let of = Multiplex { file: &file, len: bytes.len() as u64, layout, first, timeline: &timeline };
    let video = Video { pid: 0x100, codec: VideoCodec::H264 };
    let mut keys = KeyPictures::new(video, 4.0, Bytes::new());
    let poll = keys.poll_picture(&of, &mut Stamps::default()).unwrap();
    let FramePoll::Ready(frame) = poll else { panic!("{poll:?}") };
    assert_eq!(video_of(&frame.data, 0x100), video_of(begin, 0x100));
}

#[test]
fn headers_of_key_pictures_are_told_from_others() {
    let begins =
        |codec, nal: &[u8]| begins_with_headers(codec, &[&[0, 0, 1, 0xe0, 0, 0], nal].concat());
    for (codec, key, other) in [
        (VideoCodec::Mpeg2, 0xb3, 0x00),
        (VideoCodec::Mpeg4, 0xb0, 0xb6),
        (VideoCodec::H264, 0x67, 0x41),
        (VideoCodec::H264, 0x65, 0x09),
        (VideoCodec::H265, 32 << 1, 1 << 1),
        (VideoCodec::H265, 19 << 1, 35 << 1),
    ] {
        assert!(begins(codec, &[0, 0, 0, 1, key, 1, 2]), "{codec:?} {key}");
        assert!(!begins(codec, &[0, 0, 0, 1, other, 1, 2]), "{codec:?} {other}");
        assert!(!begins(codec, &[0, 0, 1]));
    }
}
