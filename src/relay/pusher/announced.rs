//! The description that is announced: what the server describes to viewers, without what only they
//! need (RFC 2326 section 10.3).

/// Attributes of what can be requested and is not recorded: the control of the whole, which is the
/// URL of the ANNOUNCE; ranges that could be played; RTCP on the port for RTP, which is offered to
/// viewers.
const OF_VIEWERS: [&str; 4] = ["a=range:", "a=rtcp-mux", "a=source-filter:", "a=rtcp-unicast:"];

/// What the server may ask for on behalf of its viewers (RFC 4585 section 4.2, RFC 5104 section 7.1).
const FEEDBACK: &str = "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n";

/// Returns the description of a presentation that is about to be recorded elsewhere. Its tracks keep
/// their controls. Of video, key frames may be asked for.
pub(super) fn announced(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    let mut is_in_media = false;
    let mut is_video = false;
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            if is_video {
                out.push_str(FEEDBACK);
            }
            (is_in_media, is_video) = (true, media.starts_with("video "));
        }
        let is_left_out = OF_VIEWERS.iter().any(|start| line.starts_with(start))
            || !is_in_media && line.starts_with("a=control:");
        if !is_left_out && !line.is_empty() {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    if is_video {
        out.push_str(FEEDBACK);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_keep_their_controls_and_the_rest_is_for_viewers() {
        let described = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=control:*\r\n\
            a=range:npt=0-12.000\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=rtcp-mux\r\na=range:npt=0-\r\na=control:track1\r\n\
            m=audio 0 RTP/AVP 0\r\na=control:track2\r\n";
        let expected = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
            m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
            a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n\
            m=audio 0 RTP/AVP 0\r\na=control:track2\r\n";
        assert_eq!(announced(described), expected);
    }
}
