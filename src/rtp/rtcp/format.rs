//! RTCP packets as bytes (RFC 3550 section 6), until `wire` has them.

use crate::wire::Reader;
use std::time::Duration;

/// A wall-clock instant as NTP has it: seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since 1970-01-01 UTC.
    pub fn from_unix(since: Duration) -> Self {
        let seconds = since.as_secs().wrapping_add(2_208_988_800) & 0xffff_ffff;
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// The middle 32 bits: 16.16 seconds, as in LSR.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A report block (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ReportBlock {
    #[allow(missing_docs)]
    pub ssrc: u32,
    #[allow(missing_docs)]
    pub fraction_lost: u8,
    #[allow(missing_docs)]
    pub cumulative_lost: i32,
    #[allow(missing_docs)]
    pub highest_sequence: u32,
    #[allow(missing_docs)]
    pub jitter: u32,
    #[allow(missing_docs)]
    pub last_sr: u32,
    #[allow(missing_docs)]
    pub delay_since_last_sr: u32,
}

pub(super) fn put_report(
    out: &mut Vec<u8>,
    ssrc: u32,
    sender: Option<(NtpTime, u32, u32, u32)>,
    blocks: &[ReportBlock],
) {
    let blocks = blocks.get(..31).unwrap_or(blocks);
    let words = 1 + if sender.is_some() { 5 } else { 0 } + blocks.len() * 6;
    let pt = if sender.is_some() { 200 } else { 201 };
    out.extend_from_slice(&[0x80 | blocks.len() as u8, pt, (words >> 8) as u8, words as u8]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some((ntp, rtp, packets, octets)) = sender {
        out.extend_from_slice(&ntp.0.to_be_bytes());
        for v in [rtp, packets, octets] {
            out.extend_from_slice(&v.to_be_bytes());
        }
    }
    for b in blocks {
        let lost = (b.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32) & 0xff_ffff;
        let loss = u32::from(b.fraction_lost) << 24 | lost;
        for v in [b.ssrc, loss, b.highest_sequence, b.jitter, b.last_sr, b.delay_since_last_sr] {
            out.extend_from_slice(&v.to_be_bytes());
        }
    }
}

fn finish(out: &mut Vec<u8>, start: usize) {
    while (out.len() - start) % 4 != 0 {
        out.push(0);
    }
    let words = (out.len() - start) / 4 - 1;
    out[start + 2] = (words >> 8) as u8;
    out[start + 3] = words as u8;
}

pub(super) fn put_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let start = out.len();
    out.extend_from_slice(&[0x81, 202, 0, 0]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    let cname = cname.as_bytes();
    let cname = cname.get(..255).unwrap_or(cname);
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    out.push(0);
    finish(out, start);
}

pub(super) fn put_bye(out: &mut Vec<u8>, ssrc: u32, reason: Option<&str>) {
    let start = out.len();
    out.extend_from_slice(&[0x81, 203, 0, 0]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(reason) = reason {
        let reason = reason.as_bytes();
        let reason = reason.get(..255).unwrap_or(reason);
        out.push(reason.len() as u8);
        out.extend_from_slice(reason);
    }
    finish(out, start);
}

pub(super) fn put_app(out: &mut Vec<u8>, ssrc: u32, subtype: u8, name: [u8; 4], data: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | (subtype & 31), 204, 0, 0]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&name);
    out.extend_from_slice(data);
    finish(out, start);
}

/// Calls `each` with count, type and body of the packets of a valid compound packet.
pub(super) fn for_each<'a>(
    data: &'a [u8],
    reduced: bool,
    mut each: impl FnMut(u8, u8, &'a [u8]),
) -> bool {
    let packets = |each: &mut dyn FnMut(u8, u8, &'a [u8])| -> Option<()> {
        let mut r = Reader::new(data);
        let mut first = true;
        while !r.is_empty() {
            let head = r.u8("rtcp").ok()?;
            let pt = r.u8("rtcp").ok()?;
            let words = usize::from(r.u16("rtcp").ok()?);
            let mut body = r.take(words * 4, "rtcp").ok()?;
            if head >> 6 != 2
                || (first
                    && !(matches!(pt, 200 | 201) && head & 0x20 == 0
                        || reduced && matches!(pt, 205 | 206)))
            {
                return None;
            }
            if head & 0x20 != 0 {
                let pad = usize::from(*body.last()?);
                if pad == 0 || !r.is_empty() {
                    return None;
                }
                body = body.get(..body.len().checked_sub(pad)?)?;
            }
            each(head & 31, pt, body);
            first = false;
        }
        (!first).then_some(())
    };
    packets(&mut |_, _, _| {}).is_some() && packets(&mut each).is_some()
}

pub(super) fn read_block(r: &mut Reader<'_>) -> Option<ReportBlock> {
    let ssrc = r.u32("block").ok()?;
    let loss = r.u32("block").ok()?;
    Some(ReportBlock {
        ssrc,
        fraction_lost: (loss >> 24) as u8,
        cumulative_lost: ((loss << 8) as i32) >> 8,
        highest_sequence: r.u32("block").ok()?,
        jitter: r.u32("block").ok()?,
        last_sr: r.u32("block").ok()?,
        delay_since_last_sr: r.u32("block").ok()?,
    })
}
