//! [`AmrDepacketizer`]: RFC 4867 sections 4.3 and 4.4.

use super::{AmrMode, FOLLOWED, TYPE_AND_QUALITY};
use crate::codec::amr::{self, frame_len, frame_type, speech_bits};
use crate::codec::bits::PlainBits;
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::ParseError;

const WHAT: &str = "AMR payload";

/// Takes frames from RTP payloads. Requests for codec modes are ignored: there is no encoder.
#[derive(Debug)]
pub struct AmrDepacketizer {
    mode: AmrMode,
    /// Header bytes of the frames of a payload.
    headers: Vec<u8>,
}

impl AmrDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new(mode: AmrMode) -> Self {
        Self { mode, headers: Vec::new() }
    }

    /// Reads codec mode request and table of contents, and checks that the speech of all frames
    /// follows.
    fn read_headers(&mut self, r: &mut PlainBits<'_>) -> Result<(), ParseError> {
        let AmrMode { wideband, channels, octet_aligned } = self.mode;
        let invalid = Err(ParseError::Invalid { what: WHAT, at: 0 });
        let (request, entry) = if octet_aligned { (8, 8) } else { (4, 6) };
        r.skip(request)?;
        self.headers.clear();
        let mut speech = 0;
        loop {
            // As in the storage form, a bit that tells of another frame, and the type, come first.
            let header = (r.take(entry)? << (8 - entry)) as u8;
            // A frame of a reserved type cannot be stepped over: the packet is dropped (section
            // 4.3.2).
            let Some(bits) = speech_bits(frame_type(header), wideband) else { return invalid };
            speech += if octet_aligned { bits.div_ceil(8) * 8 } else { bits };
            self.headers.push(header & TYPE_AND_QUALITY);
            if header & FOLLOWED == 0 {
                break;
            }
        }
        if r.left() < speech {
            return Err(ParseError::Incomplete { what: WHAT });
        }
        if self.headers.len() % usize::from(channels.max(1)) != 0 {
            return invalid;
        }
        Ok(())
    }
}

impl Depacketizer for AmrDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            out.note_loss();
        }
        let AmrMode { wideband, channels, octet_aligned } = self.mode;
        let mut r = PlainBits::new(payload.data, WHAT);
        self.read_headers(&mut r).inspect_err(|_| out.note_loss())?;
        let mut at = payload.timestamp;
        for headers in self.headers.chunks(usize::from(channels.max(1))) {
            let len = headers.iter().filter_map(|header| frame_len(*header, wideband)).sum();
            let mut data = Vec::with_capacity(len);
            for header in headers {
                data.push(*header);
                let bits = speech_bits(frame_type(*header), wideband).unwrap_or(0);
                r.append_bytes(bits / 8, &mut data)?;
                if bits % 8 > 0 {
                    let rest = bits as u32 % 8;
                    data.push((r.take(rest)? << (8 - rest)) as u8);
                }
                if octet_aligned {
                    r.align_to(0);
                }
            }
            out.push(DepacketizedFrame::new(data, at));
            at = at.wrapping_add(amr::frame_samples(wideband));
        }
        Ok(())
    }
}
