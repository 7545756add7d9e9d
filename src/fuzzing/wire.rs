//! Bodies for the `wire` layer, and for what `payload` makes of descriptions. Besides "no panic", each asserts that what was read means the
//! same when it is written and read again.

use crate::codec::CodecParameters;
use crate::payload::FormatRegistry;
use crate::wire::auth::{Challenge, Credentials};
use crate::wire::rtcp::{Compound, Packet, XrBlock};
use crate::wire::rtp::RtpPacket;
use crate::wire::rtsp::accept::{accepts, unsupported, words};
use crate::wire::rtsp::numbers::{Scale, parse_number, parse_scale};
use crate::wire::rtsp::{
    Decoder, HeadErrorKind, Incoming, Limits, RangeHeader, ResyncDecoder, RtpInfo, SessionHeader,
    Skipped, Transport, parse,
};
use crate::wire::sdp::{MediaDescription, SdpLimits, SessionDescription};
use crate::wire::url::{RequestTarget, decode_segment, encode_segment};
use crate::wire::{Oddities, interleaved as frames, rtsp::date::UtcTime};

/// A connection's input: read as a whole, and again byte by byte; both must agree. Small limits,
/// so that short inputs reach them.
pub fn request_head(data: &[u8]) {
    let limits = small_limits();
    let mut rest = data;
    let mut dripped = 0;
    let mut decoder = Decoder::new();
    let mut shown = 0;
    // Every round but the last consumes something.
    for _ in 0..=data.len() {
        let whole = parse(rest, &limits);
        // The same from a decoder that is shown one more byte each time.
        let outcome = loop {
            match decoder.decode(data.get(dripped..dripped + shown).unwrap_or_default(), &limits) {
                Ok((Incoming::NeedMore, consumed)) => {
                    dripped += consumed;
                    shown -= consumed;
                    if dripped + shown == data.len() {
                        break Ok(None);
                    }
                    shown += 1;
                }
                Ok((incoming, consumed)) => {
                    dripped += consumed;
                    shown -= consumed;
                    break Ok(Some(incoming));
                }
                Err(e) => break Err(e.kind),
            }
        };
        match (whole, outcome) {
            (Ok((Incoming::NeedMore, consumed)), Ok(None)) => {
                assert!(rest.len() - consumed < limits.buffer_bound());
                return;
            }
            (Ok((incoming, consumed)), Ok(Some(other))) => {
                assert_eq!(incoming, other);
                assert!(consumed > 0);
                written_and_read(&incoming);
                rest = rest.get(consumed..).unwrap_or_default();
            }
            (Err(e), Err(kind)) => {
                assert_eq!(e.kind, kind);
                return;
            }
            (whole, dripped) => panic!("{whole:?} at once, {dripped:?} byte by byte"),
        }
    }
    panic!("no progress");
}

fn small_limits() -> Limits {
    Limits { request_line: 128, header_count: 8, header_bytes: 256, body: 64, leading_blank: 16 }
}

fn written_and_read(incoming: &Incoming<'_>) {
    let bytes = match incoming {
        Incoming::Request(request) => request.to_bytes(),
        Incoming::Response(response) => response.to_bytes(),
        _ => return,
    };
    // What was read may be longer when written in full (U+FFFD).
    let limits = Limits { header_bytes: 1 << 20, request_line: 1 << 20, ..Limits::default() };
    let (again, consumed) = match parse(&bytes, &limits) {
        Ok(read) => read,
        Err(e) => panic!("{e} in {:?}", String::from_utf8_lossy(&bytes)),
    };
    assert_eq!(consumed, bytes.len());
    match (incoming, &again) {
        (Incoming::Request(a), Incoming::Request(b)) => {
            assert_eq!((&a.method, &a.url, &a.body), (&b.method, &b.url, &b.body));
            assert_eq!(a.headers.cseq(), b.headers.cseq());
        }
        (Incoming::Response(a), Incoming::Response(b)) => {
            assert_eq!((a.status, &a.reason, &a.body), (b.status, &b.reason, &b.body));
        }
        other => panic!("{other:?}"),
    }
}

/// A connection's input as a client reads it, whatever it is: read as a whole, and again byte by
/// byte; both must agree.
pub fn resync(data: &[u8]) {
    let whole = resynchronized(data, usize::MAX);
    assert_eq!(whole, resynchronized(data, 1));
    let (_, skipped, _) = whole;
    assert!(skipped.bytes <= data.len() as u64 && skipped.times <= skipped.bytes);
}

/// What a decoder that expects channels 0 and 1 finds in pieces of a length, what it skips, and the
/// error that ends it.
fn resynchronized(data: &[u8], piece: usize) -> (Vec<String>, Skipped, Option<HeadErrorKind>) {
    let limits = small_limits();
    let mut decoder = ResyncDecoder::new();
    decoder.expect_channel(0);
    decoder.expect_channel(1);
    let (mut start, mut end, mut found) = (0, 0, Vec::new());
    loop {
        let input = data.get(start..end).unwrap_or_default();
        match decoder.decode(input, &limits) {
            Ok((Incoming::NeedMore, n)) => {
                start += n;
                assert!(end - start < limits.buffer_bound());
                if end == data.len() {
                    return (found, decoder.skipped(), None);
                }
                end = end.saturating_add(piece).min(data.len());
            }
            Ok((incoming, n)) => {
                assert!(n > 0 && n <= input.len());
                found.push(format!("{incoming:?}"));
                start += n;
            }
            Err(e) => return (found, decoder.skipped(), Some(e.kind)),
        }
    }
}

/// `Transport`.
pub fn transport(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(read) = text.parse::<Transport>() {
        let written = read.to_string();
        assert!(!written.contains(['\r', '\n']));
        // Writing takes out what would not be read as one value; after that it is stable.
        if let Ok(again) = written.parse::<Transport>() {
            assert_eq!(again.to_string().parse(), Ok(again));
        }
        for spec in &read.specs {
            let _ = (spec.delivery(), spec.is_play(), spec.is_record());
        }
    }
}

/// `Range`.
pub fn range(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(read) = text.parse::<RangeHeader>() {
        assert_eq!(read.to_string().parse(), Ok(read));
        let _ = (read.range.as_npt(), read.range.is_within(std::time::Duration::MAX));
    }
    let _ = UtcTime::parse(&text);
}

/// `Session`.
pub fn session(data: &[u8]) {
    if let Ok(read) = SessionHeader::parse(&String::from_utf8_lossy(data)) {
        assert_eq!(SessionHeader::parse(&read.to_string()), Ok(read));
    }
}

/// `WWW-Authenticate` and `Authorization`. What is written has no control characters any more, and
/// is written the same when it has been read.
pub fn auth(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for challenge in Challenge::parse_list(&text) {
        if !matches!(challenge, Challenge::Unsupported(_)) {
            let written = challenge.to_string();
            let again: Vec<_> = Challenge::parse_list(&written).map(|c| c.to_string()).collect();
            assert_eq!(again, [written]);
        }
    }
    match Credentials::parse(&text) {
        Ok(Credentials::Basic(user)) if !user.user().contains(':') => {
            assert_eq!(Credentials::parse(&user.to_basic()), Ok(Credentials::Basic(user)));
        }
        Ok(Credentials::Digest(digest)) => {
            let written = digest.to_string();
            let Ok(Credentials::Digest(again)) = Credentials::parse(&written) else {
                panic!("{written}")
            };
            assert_eq!(again.to_string(), written);
        }
        _ => {}
    }
}

/// `RTP-Info`.
pub fn rtp_info(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = RtpInfo::parse(&text);
    assert!(!read.to_string().contains(['\r', '\n']));
}

/// `Scale`, `Speed`, `CSeq`, `Accept`, `Require`.
pub fn small_headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(scale) = parse_scale(&text) {
        assert_eq!(parse_scale(&Scale(scale).to_string()), Ok(scale));
    }
    if let Ok(number) = parse_number(&text) {
        assert_eq!(parse_number(&number.to_string()), Ok(number));
    }
    let _ = accepts(&text, "application/sdp");
    assert!(unsupported(&text, &["x"]).count() <= words(&text).count());
}

/// A Request-URI.
pub fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(target) = RequestTarget::parse(&text) {
        if let RequestTarget::Url(url) = &target {
            let written = url.to_string();
            let Ok(RequestTarget::Url(again)) = RequestTarget::parse(&written) else {
                panic!("{url}")
            };
            assert_eq!(
                (&again.host, again.port(), &again.path),
                (&url.host, url.port(), &url.path)
            );
        }
        for segment in target.path().iter().flat_map(|path| path.decoded_segments()).flatten() {
            assert!(!segment.contains(['/', '\0']));
            assert_eq!(decode_segment(&encode_segment(&segment)), Ok(segment));
        }
    }
}

/// A session description, read as by a client and by a server.
pub fn sdp(data: &[u8]) {
    let mut odd = Oddities::new();
    written_and_described(&SessionDescription::read(data, &SdpLimits::default(), &mut odd));
    if let Ok(read) = SessionDescription::parse(data) {
        written_and_described(&read);
    }
}

fn written_and_described(read: &SessionDescription) {
    for media in &read.media {
        formats(media);
    }
    // Odd characters are replaced in the first round; from then on nothing changes.
    let limits = SdpLimits { bytes: usize::MAX, lines: usize::MAX, media: 64 };
    let round = |sdp: &SessionDescription| {
        SessionDescription::parse_within(sdp.to_string().as_bytes(), &limits)
    };
    let once = round(read);
    let once = once.unwrap_or_else(|e| panic!("{e} in {read}"));
    assert_eq!(once.media.len(), read.media.len());
    assert_eq!(once.attributes.len(), read.attributes.len());
    assert_eq!(round(&once).as_ref(), Ok(&once));
}

/// What the registries make of a media description: parameters that a stream can have. Half a
/// collection of parameter sets is not described; from then on nothing changes.
fn formats(media: &MediaDescription) {
    for formats in [FormatRegistry::new(), FormatRegistry::opaque()] {
        let Ok(format) = formats.format_in(media) else { continue };
        assert!(format.check().is_ok());
        assert_eq!(formats.parameters(&format).is_err(), formats.depacketizer(&format).is_err());
        let Ok(parameters) = formats.parameters(&format) else { continue };
        assert!(parameters.check().is_ok(), "{parameters:?}");
        let once = described_again(&formats, &parameters);
        assert_eq!(described_again(&formats, &once), once);
    }
}

fn described_again(formats: &FormatRegistry, parameters: &CodecParameters) -> CodecParameters {
    let format = formats.format(parameters, 96);
    let format = format.unwrap_or_else(|e| panic!("{e}: {parameters:?}"));
    assert!(format.check().is_ok());
    formats.parameters(&format).unwrap_or_else(|e| panic!("{e}: {format:?}"))
}

/// An RTP packet.
pub fn rtp(data: &[u8]) {
    if let Ok(packet) = RtpPacket::parse(data) {
        assert_eq!(data.get(packet.payload_range.clone()), Some(packet.payload));
        assert!(packet.csrcs().count() <= 15);
    }
}

/// An RTCP compound packet.
pub fn rtcp(data: &[u8]) {
    if let Ok(compound) = Compound::parse_reduced_size(data) {
        for packet in compound {
            match packet {
                Ok(Packet::SenderReport(sr)) => {
                    assert_eq!(sr.blocks.iter().count(), sr.blocks.len());
                    let _ = sr.info.ntp.to_unix();
                }
                Ok(Packet::ReceiverReport(rr)) => {
                    assert_eq!(rr.blocks.iter().count(), rr.blocks.len());
                }
                Ok(Packet::Sdes(sdes)) => {
                    assert!(sdes.chunks().map(|c| c.items().count()).sum::<usize>() <= data.len());
                }
                Ok(Packet::Bye(bye)) => assert!(bye.sources().count() <= 31),
                Ok(Packet::Feedback(fb)) => {
                    let lost: usize = fb.nacks().map(|n| n.sequence_numbers().count()).sum();
                    assert!(lost <= data.len() * 17 && fb.firs().count() <= data.len());
                }
                Ok(Packet::ExtendedReport(report)) => {
                    let delays = report.blocks().map(|block| match block {
                        XrBlock::DelaysSinceLastRr(delays) => delays.iter().count(),
                        _ => 1,
                    });
                    assert!(delays.sum::<usize>() <= data.len());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    if Compound::parse(data).is_ok() {
        assert!(Compound::parse_reduced_size(data).is_ok());
    }
}

/// Interleaved frames.
pub fn interleaved(data: &[u8]) {
    let mut rest = data;
    while let Some((frame, len)) = frames::decode(rest) {
        let mut written = Vec::new();
        assert!(frames::write(frame.channel, frame.data, &mut written));
        assert_eq!(rest.get(..len), Some(&written[..]));
        rest = rest.get(len..).unwrap_or_default();
    }
}
