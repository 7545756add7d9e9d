//! The description of a back channel in SDP.

use crate::payload::PayloadFormat;
use crate::wire::sdp::{Attribute, Connection, MediaDescription};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Attributes that say which way media go (RFC 4566 section 6).
const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

/// The description of a back channel: the media that the client sends, with all formats of which it
/// may choose one (ONVIF Streaming Specification section 5.3.2). The direction is the client's.
pub(crate) fn media_description(
    formats: &[PayloadFormat],
    track: usize,
    is_ipv6: bool,
    keys: Option<String>,
) -> MediaDescription {
    let protocol = if keys.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let mut media = MediaDescription::new("audio", 0, protocol, 0);
    media.formats = formats.iter().map(|format| format.payload_type.to_string()).collect();
    let any: IpAddr =
        if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    media.connections.push(Connection::new(any, None));
    formats.iter().for_each(|format| format.write_to(&mut media));
    media.attributes.push(Attribute::flag("sendonly"));
    media.attributes.extend(keys.map(|keys| Attribute::new("key-mgmt", keys)));
    media.attributes.push(Attribute::new("control", format!("track{}", track + 1)));
    media
}

/// A description with a back channel behind its media, which are marked as those that the client
/// receives.
pub(crate) fn with_back_channel(sdp: &str, channel: &MediaDescription) -> String {
    let mut out = String::with_capacity(sdp.len() + 512);
    // Whether the lines are those of a medium that does not say its direction.
    let mut is_silent = false;
    for line in sdp.split_inclusive('\n') {
        if line.starts_with("m=") {
            end_media(&mut out, std::mem::replace(&mut is_silent, true));
        }
        is_silent &= !DIRECTIONS.contains(&line.trim_end());
        out.push_str(line);
    }
    end_media(&mut out, is_silent);
    out.push_str(&channel.to_string());
    out
}

fn end_media(sdp: &mut String, is_silent: bool) {
    if is_silent {
        sdp.push_str("a=recvonly\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_medium_says_which_way_it_goes() {
        let formats = [
            PayloadFormat::new("audio", "PCMU", 8000, 0),
            PayloadFormat::new("audio", "opus", 48_000, 97).with_channels(2).with_fmtp("cbr=1"),
        ];
        let channel = media_description(&formats, 2, false, None);
        let told = "m=audio 0 RTP/AVP 0 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:0 PCMU/8000\r\n\
            a=rtpmap:97 opus/48000/2\r\na=fmtp:97 cbr=1\r\na=sendonly\r\na=control:track3\r\n";
        assert_eq!(channel.to_string(), told);
        let plain = "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n\
            m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=control:track2\r\n";
        let expected = "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\na=recvonly\r\n\
            m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=control:track2\r\n";
        assert_eq!(with_back_channel(plain, &channel), format!("{expected}{told}"));
        assert_eq!(with_back_channel("v=0\r\n", &channel), format!("v=0\r\n{told}"));
        let secure = media_description(&formats[..1], 0, true, Some("mikey x".to_owned()));
        let told = secure.to_string();
        assert!(told.starts_with("m=audio 0 RTP/SAVP 0\r\nc=IN IP6 ::\r\n"), "{told}");
        assert!(told.contains("a=key-mgmt:mikey x\r\n"), "{told}");
    }
}
