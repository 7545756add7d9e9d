use super::*;
use crate::frame::Frame;
use crate::framer::testing::{BitWriter, H264Slice, H264Sps, h265_parameter_sets, h265_slice};
use crate::media::demux::DemuxTable;
use crate::media::{Ending, FramePoll, FramedSource, SourceContext, Wait};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

mod forms;

const PCM: CodecParameters = CodecParameters::Pcm {
    encoding: crate::codec::PcmEncoding::L16,
    sampling_rate: 8000,
    channels: 1,
};
const SPS: [u8; 7] = [0, 0, 0, 1, 0x67, 1, 2];
const PPS: [u8; 6] = [0, 0, 0, 1, 0x68, 3];
const IDR: [u8; 6] = [0, 0, 0, 1, 0x65, 0x89];
const OTHER: [u8; 6] = [0, 0, 0, 1, 0x41, 0x89];

fn h264() -> CodecParameters {
    CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() }
}

fn stream(parameters: CodecParameters) -> (LiveSender, LiveStream, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake: Wake = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let limits = QueueLimits { frames: 3, bytes: 1000 };
    let (sender, stream) = live_stream(parameters, limits, wake);
    (sender, stream, woken)
}

fn poll(source: &mut LiveSource) -> FramePoll {
    let mut demuxers = DemuxTable::default();
    source.poll_frame(&mut SourceContext { now: Instant::now(), demuxers: &mut demuxers })
}

/// A source that waits for its first frame.
fn reading(stream: &LiveStream) -> LiveSource {
    let mut source = stream.create_source();
    assert!(matches!(poll(&mut source), FramePoll::Pending(Wait::Input)));
    source
}

fn bytes(source: &mut LiveSource) -> Option<Bytes> {
    match poll(source) {
        FramePoll::Ready(frame) => Some(frame.data),
        _ => None,
    }
}

#[test]
fn parameter_sets_are_picked_up_and_repeated_at_key_frames() {
    let (sender, stream, _) = stream(h264());
    let whole = [&SPS[..], &PPS, &IDR].concat();
    assert_eq!(sender.send_access_unit(whole.clone(), Duration::ZERO), Sent::NoReceiver);
    assert!(stream.is_described());
    let mut source = reading(&stream);
    assert_eq!(sender.send_access_unit(OTHER.to_vec(), Duration::ZERO), Sent::Accepted);
    assert_eq!(sender.send_access_unit(IDR.to_vec(), Duration::ZERO), Sent::Accepted);
    assert_eq!(sender.send_access_unit(OTHER.to_vec(), Duration::ZERO), Sent::Accepted);
    assert_eq!(bytes(&mut source).as_deref(), Some(&whole[..]), "starts with the key frame");
    assert_eq!(bytes(&mut source).as_deref(), Some(&OTHER[..]));
    assert_eq!(source.dropped(), 0);
}

#[test]
fn parameter_sets_sent_in_pieces_are_not_repeated() {
    let (sender, stream, _) = stream(h264());
    let mut source = reading(&stream);
    for (piece, last) in [(&SPS[..], false), (&PPS, false), (&IDR, true)] {
        let mut frame = Frame::new(piece.to_vec(), Duration::ZERO, Duration::ZERO);
        frame.flags.ends_access_unit = last;
        assert_eq!(sender.send(frame), Sent::Accepted);
    }
    for piece in [&SPS[..], &PPS, &IDR] {
        assert_eq!(bytes(&mut source).as_deref(), Some(piece));
    }
    let CodecParameters::H264 { sps, pps } = stream.parameters() else { panic!() };
    assert_eq!((sps.len(), pps.len()), (1, 1));
}

#[test]
fn what_the_encoder_sent_last_is_repeated() {
    let unit = |nals: &[&[u8]]| crate::framer::annexb::from_nal_units(nals.iter().copied());
    let sps = |scale| H264Sps { timing: Some((1, scale)), ..H264Sps::default() }.nal();
    let pps = |id, more| BitWriter::default().ue(id).ue(0).bits(9, more).nal(&[0x68]);
    let idr = H264Slice::idr(0).nal();
    let other = H264Slice { slice_type: 5, ..H264Slice::other(true, 1, 2) }.nal();
    let (sender, stream, _) = stream(h264());
    let mut source = reading(&stream);
    let mut send = |nals: &[&[u8]]| {
        let _ = sender.send_access_unit(unit(nals), Duration::ZERO);
        bytes(&mut source).unwrap_or_default()
    };
    assert_eq!(send(&[&sps(50), &pps(0, 1), &pps(1, 1), &idr])[4] & 31, 7);
    // A PPS alone, of one id of two, in front of a picture that is no key frame.
    send(&[&pps(1, 2), &other]);
    assert_eq!(send(&[&idr]), unit(&[&sps(50), &pps(0, 1), &pps(1, 2), &idr]));
    // An SPS alone.
    let all: [&[u8]; 5] = [&sps(60), &pps(0, 1), &pps(1, 2), &sps(60), &idr];
    assert_eq!(send(&[&sps(60), &idr]), unit(&all));
    assert_eq!(send(&[&idr]), unit(&[&sps(60), &pps(0, 1), &pps(1, 2), &idr]));
    let CodecParameters::H264 { sps: told, pps } = stream.parameters() else { panic!() };
    assert_eq!((told, pps.len()), (vec![sps(60).into()], 2));
}

#[test]
fn a_slow_source_drops_to_the_next_key_frame_and_the_sender_sees_it() {
    let (sender, stream, _) = stream(h264());
    let mut source = reading(&stream);
    let idr = [&SPS[..], &PPS, &IDR].concat();
    assert_eq!(sender.send_access_unit(idr.clone(), Duration::ZERO), Sent::Accepted);
    for _ in 0..2 {
        assert_eq!(sender.send_access_unit(OTHER.to_vec(), Duration::ZERO), Sent::Accepted);
    }
    assert_eq!(sender.send_access_unit(OTHER.to_vec(), Duration::ZERO), Sent::Dropped);
    for _ in 0..3 {
        assert!(bytes(&mut source).is_some());
    }
    assert_eq!(sender.send_access_unit(OTHER.to_vec(), Duration::ZERO), Sent::Dropped);
    assert_eq!(sender.send_access_unit(idr, Duration::ZERO), Sent::Accepted);
    let FramePoll::Ready(frame) = poll(&mut source) else { panic!() };
    assert!(frame.flags.discontinuity);
    assert_eq!(source.dropped(), 2);
    assert_eq!(sender.stats().dropped, 2);
    assert_eq!(sender.stats().sent, 6);
}

#[test]
fn a_gap_before_a_clean_random_access_picture_is_marked() {
    let unit = |nals: &[&[u8]]| crate::framer::annexb::from_nal_units(nals.iter().copied());
    let sets = h265_parameter_sets(2);
    let sets: Vec<_> = sets.iter().map(Vec::as_slice).collect();
    let (other, cra) = (unit(&[&h265_slice(1, true, 1)]), h265_slice(21, true, 9));
    let cra = unit(&[&sets[..], &[&cra]].concat());
    let h265 = CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] };
    let (sender, stream, _) = stream(h265);
    let mut source = reading(&stream);
    let send = |data: &Vec<u8>| sender.send_access_unit(data.clone(), Duration::ZERO);
    assert_eq!(send(&cra), Sent::Accepted);
    assert_eq!((send(&other), send(&other)), (Sent::Accepted, Sent::Accepted));
    assert_eq!(send(&other), Sent::Dropped);
    assert_eq!(bytes(&mut source).as_deref(), Some(&cra[..]), "a decoder's first picture");
    assert!(bytes(&mut source).is_some() && bytes(&mut source).is_some());
    assert_eq!(send(&cra), Sent::Accepted);
    // What leads it refers to pictures that are missing: end of sequence.
    let marked = [&[0, 0, 0, 1, 72, 1][..], &cra].concat();
    assert_eq!(bytes(&mut source).as_deref(), Some(&marked[..]));
}

#[test]
fn gradual_refresh_is_a_place_to_start_at() {
    let unit = |nals: &[&[u8]]| crate::framer::annexb::from_nal_units(nals.iter().copied());
    let sets = h265_parameter_sets(0);
    let sets: Vec<_> = sets.iter().map(Vec::as_slice).collect();
    let h265 = CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] };
    let (sender, stream, _) = stream(h265);
    let mut source = reading(&stream);
    let mut start = None;
    for n in 0..40 {
        let slice = h265_slice(1, true, n);
        let bare: &[&[u8]] = &[&slice];
        let data = if n % 10 == 5 { unit(&[&sets[..], bare].concat()) } else { unit(bare) };
        let _ = sender.send_access_unit(data, Duration::ZERO);
        if bytes(&mut source).is_some() {
            start = start.or(Some(n));
        }
    }
    assert_eq!(start, Some(15), "the second time that the parameter sets come");
}

#[test]
fn wakes_only_a_source_that_waits() {
    let (sender, stream, woken) = stream(PCM);
    let mut source = reading(&stream);
    let send = || assert_eq!(sender.send_access_unit(vec![1, 1], Duration::ZERO), Sent::Accepted);
    send();
    send();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert!(bytes(&mut source).is_some());
    send();
    assert_eq!(woken.load(Ordering::SeqCst), 1, "it has not been told to wait again");
    while bytes(&mut source).is_some() {}
    send();
    assert_eq!(woken.load(Ordering::SeqCst), 2);
}

#[test]
fn ends_when_the_last_sender_is_gone_and_all_is_read() {
    let (sender, stream, woken) = stream(PCM);
    let mut source = reading(&stream);
    let other = sender.clone();
    let thread = std::thread::spawn(move || {
        let _ = other.send_access_unit(vec![1, 1], Duration::ZERO);
    });
    thread.join().unwrap();
    assert!(!stream.has_ended());
    drop(sender);
    assert!(woken.load(Ordering::SeqCst) > 0);
    assert!(bytes(&mut source).is_some());
    assert!(matches!(poll(&mut source), FramePoll::Ended(Ending::EndOfStream)));
    assert!(stream.has_ended());
}

#[test]
fn the_sender_sees_that_the_receiving_end_is_gone() {
    let (sender, stream, _) = stream(PCM);
    let source = reading(&stream);
    drop(stream);
    assert_eq!(sender.send_access_unit(vec![1, 1], Duration::ZERO), Sent::Accepted);
    drop(source);
    assert_eq!(sender.send_access_unit(vec![1, 1], Duration::ZERO), Sent::Closed);
}

#[test]
fn a_source_that_was_not_asked_yet_collects_nothing() {
    let (sender, stream, _) = stream(PCM);
    let mut source = stream.create_source();
    for n in 0..9 {
        assert_eq!(sender.send_access_unit(vec![n, n], Duration::ZERO), Sent::NoReceiver);
    }
    assert!(matches!(poll(&mut source), FramePoll::Pending(Wait::Input)));
    assert_eq!(sender.send_access_unit(vec![9, 9], Duration::ZERO), Sent::Accepted);
    assert_eq!(bytes(&mut source).as_deref(), Some(&[9, 9][..]));
    assert_eq!(sender.stats().dropped, 0);
}

#[test]
fn a_clock_that_was_set_goes_with_one_frame_to_each_source() {
    let (sender, stream, _) = stream(PCM);
    let secs = Duration::from_secs;
    let clock = |source: &mut LiveSource| match poll(source) {
        FramePoll::Ready(frame) => frame.wall_clock,
        other => panic!("{other:?}"),
    };
    let send = |pts| assert_eq!(sender.send_access_unit(vec![1, 1], pts), Sent::Accepted);
    let mut source = reading(&stream);
    sender.set_clock(secs(100), secs(5_000));
    send(secs(101));
    send(secs(102));
    assert_eq!(clock(&mut source), Some(secs(5_001)));
    assert_eq!(clock(&mut source), None);
    // Who comes soon is told it too, and who comes late is not.
    let (mut soon, mut late) = (reading(&stream), stream.create_source());
    send(secs(109));
    assert_eq!((clock(&mut source), clock(&mut soon)), (None, Some(secs(5_009))));
    assert!(matches!(poll(&mut late), FramePoll::Pending(Wait::Input)));
    send(secs(111));
    assert_eq!(clock(&mut late), None);
    // What a frame says of itself counts.
    let mut own = Frame::new(vec![1, 1], secs(112), secs(0));
    own.wall_clock = Some(secs(7_000));
    assert_eq!(sender.send(own), Sent::Accepted);
    assert_eq!((clock(&mut late), clock(&mut soon)), (Some(secs(7_000)), None));
}

#[test]
fn a_clock_does_not_outlast_the_times_it_was_set_for() {
    let (sender, stream, _) = stream(PCM);
    let secs = Duration::from_secs;
    sender.set_clock(secs(0), secs(5_000));
    for pts in [secs(0), secs(60), secs(1)] {
        assert_eq!(sender.send_access_unit(vec![1, 1], pts), Sent::NoReceiver);
    }
    let mut source = reading(&stream);
    assert_eq!(sender.send_access_unit(vec![1, 1], secs(2)), Sent::Accepted);
    let FramePoll::Ready(frame) = poll(&mut source) else { panic!() };
    assert_eq!(frame.wall_clock, None);
    // Set for what comes next, it is not of the times before.
    sender.set_clock(secs(0), secs(9_000));
    assert_eq!(sender.send_access_unit(vec![1, 1], secs(0)), Sent::Accepted);
    let FramePoll::Ready(frame) = poll(&mut source) else { panic!() };
    assert_eq!(frame.wall_clock, Some(secs(9_000)));
}

/// What becomes of frames of a stream that nobody reads.
fn sent(parameters: CodecParameters, frames: &[&[u8]]) -> Vec<Sent> {
    let (sender, _stream, _) = stream(parameters);
    frames.iter().map(|f| sender.send_access_unit(f.to_vec(), Duration::ZERO)).collect()
}

fn refused(parameters: CodecParameters, frame: &[u8]) -> InputError {
    match sent(parameters, &[frame])[..] {
        [Sent::Refused(error)] => error,
        ref other => panic!("{other:?}: {frame:x?}"),
    }
}

fn aac() -> CodecParameters {
    let config = Bytes::from_static(&[0x12, 0x10]);
    CodecParameters::Aac { config, sampling_rate: 44_100, channels: 2 }
}

#[test]
fn a_picture_is_a_key_frame_by_its_bytes() {
    let (sender, stream, _) = stream(h264());
    let mut source = reading(&stream);
    let _ = sender.send_access_unit([&SPS[..], &PPS].concat(), Duration::ZERO);
    // Frame::new says that it is one.
    let picture = |data: &[u8]| Frame::new(data.to_vec(), Duration::ZERO, Duration::ZERO);
    assert_eq!(sender.send(picture(&OTHER)), Sent::Accepted);
    assert!(bytes(&mut source).is_none(), "decoding does not start there");
    let mut modest = picture(&IDR);
    modest.flags.key = false;
    assert_eq!(sender.send(modest), Sent::Accepted);
    let FramePoll::Ready(first) = poll(&mut source) else { panic!() };
    assert!(first.flags.key);
    assert_eq!(first.data, [&SPS[..], &PPS, &IDR].concat(), "the sets that came alone");
    assert_eq!(sender.send(picture(&OTHER)), Sent::Accepted);
    let FramePoll::Ready(second) = poll(&mut source) else { panic!() };
    assert!(!second.flags.key);
    assert_eq!(second.data, &OTHER[..]);
}

#[test]
fn video_that_is_not_in_annex_b_form_is_refused() {
    for (frame, why) in [
        (&[0, 0, 0, 4, 0x65, 0x88, 1, 2][..], InputError::LengthPrefixed),
        (&[0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 3, 0x41, 0x9a, 7], InputError::LengthPrefixed),
        (&[0x65, 0x88, 1, 2], InputError::NoStartCode),
        (&[0x80, 96, 1, 2, 0, 0, 0, 1, 9, 9, 9, 9, 0x65, 0x88], InputError::NoStartCode),
        (&[0, 0, 1, 0x7c, 0x85, 1, 2], InputError::OtherCodec),
        (&[0, 0, 0, 1, 0x40, 1, 0x0c, 1], InputError::OtherCodec),
        (&[], InputError::Empty),
    ] {
        assert_eq!(refused(h264(), frame), why);
    }
    let h265 = CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] };
    assert_eq!(refused(h265.clone(), &SPS), InputError::OtherCodec);
    assert_eq!(refused(h265, &[0, 0, 1, 0x02, 1, 0x40]), InputError::ContinuedPicture);
    assert_eq!(refused(h264(), &vec![0; (16 << 20) + 1]), InputError::TooLong { len: 16777217 });
    // Once it is known for what it is, a length that looks like a start code deceives nobody.
    let mut long = vec![0, 0, 1, 0x25, 0x41, 0x9a];
    long.resize(4 + 0x125, 7);
    let prefixed = Sent::Refused(InputError::LengthPrefixed);
    assert_eq!(sent(h264(), &[&[0, 0, 0, 2, 9, 0xf0], &long]), [prefixed; 2]);
}

#[test]
fn slices_are_taken_as_pieces_of_an_access_unit_only() {
    let further = [0, 0, 0, 1, 0x65, 0x22, 7];
    let (sender, stream, _) = stream(h264());
    assert_eq!(sender.send_access_unit(IDR.to_vec(), Duration::ZERO), Sent::NoReceiver);
    let single = sender.send_access_unit(further.to_vec(), Duration::ZERO);
    assert_eq!(single, Sent::Refused(InputError::ContinuedPicture));
    let mut first = Frame::new(IDR.to_vec(), Duration::ZERO, Duration::ZERO);
    first.flags.ends_access_unit = false;
    assert_eq!(sender.send(first), Sent::NoReceiver);
    let last = Frame::new(further.to_vec(), Duration::ZERO, Duration::ZERO);
    assert_eq!(sender.send(last), Sent::NoReceiver);
    assert_eq!((stream.stats().sent, stream.stats().refused), (4, 1));
}

#[test]
fn aac_is_taken_bare_or_with_its_adts_header() {
    let (sender, stream, _) = stream(aac());
    let mut source = reading(&stream);
    let adts = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x5f, 0xfc, 0x21, 2, 3];
    let with_crc = [0xff, 0xf0, 0x50, 0x80, 0x01, 0x9f, 0xfc, 9, 9, 0x21, 2, 3];
    for frame in [&adts[..], &with_crc, &[0x21, 2, 3]] {
        assert_eq!(sender.send_access_unit(frame.to_vec(), Duration::ZERO), Sent::Accepted);
        assert_eq!(bytes(&mut source).as_deref(), Some(&[0x21, 2, 3][..]));
    }
    for frame in [&adts[..9], &[adts, adts].concat(), b"ADIF1234", &[0x56, 0xe0, 2, 1, 2]] {
        assert_eq!(refused(aac(), frame), InputError::AacTransport);
    }
}

#[test]
fn audio_that_is_not_whole_is_refused() {
    assert_eq!(refused(PCM, &[1, 2, 3]), InputError::PartialSamples { len: 3, block: 2 });
    // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes.
    let mut mp3 = vec![0xff, 0xfb, 0x90, 0x64];
    mp3.resize(417, 0);
    let mpeg = || CodecParameters::MpegAudio;
    assert_eq!(sent(mpeg(), &[&mp3]), [Sent::NoReceiver]);
    let cut = InputError::NotOneFrame { len: 400, frame_len: 417 };
    assert_eq!(refused(mpeg(), &mp3[..400]), cut);
    let two = [&mp3[..], &mp3].concat();
    assert_eq!(refused(mpeg(), &two), InputError::NotOneFrame { len: 834, frame_len: 417 });
    assert_eq!(refused(mpeg(), &mp3[17..]), InputError::NotMpegAudio);
    assert_eq!(refused(mpeg(), b"ID3\x04"), InputError::NotMpegAudio);
    let ts = [0x47; 376];
    assert_eq!(sent(CodecParameters::Mp2t, &[&ts]), [Sent::NoReceiver]);
    for wrong in [&ts[..204], &[0; 188]] {
        assert_eq!(refused(CodecParameters::Mp2t, wrong), InputError::NotTransportPackets);
    }
}

#[test]
fn rtp_packets_of_audio_are_noticed() {
    let packet = |n: u8| [0x80, 97, 0xff, n, 0, 0, n, 0, 1, 2, 3, 4, 5, 6];
    let packets: Vec<_> = (0..4).map(packet).collect();
    let frames: Vec<_> = packets.iter().map(|p| &p[..]).collect();
    let rtp = Sent::Refused(InputError::RtpPackets);
    let taken = Sent::NoReceiver;
    for parameters in [PCM, aac()] {
        assert_eq!(sent(parameters, &frames), [taken, taken, rtp, rtp]);
    }
    // Silence that looks like a header does not count on.
    assert_eq!(sent(PCM, &[&[0x80_u8; 320][..]; 9]), [taken; 9]);
}
