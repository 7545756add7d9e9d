//! [`Stamps`]: rewrites the packets of a transport stream that continues at another position of its
//! file, so that they follow those sent before (ISO/IEC 13818-1 sections 2.4.3.3 to 2.4.3.7).
//!
//! Continuity counters always continue without a gap, so that no receiver detects losses that did
//! not happen. If a stream starts over, its clock and time stamps continue as well; after a seek,
//! they are those of the file, and the first PCR signals a discontinuity.

use super::packet::{PACKET_LEN, PCR_MODULUS, Pcr};

const NULL_PID: u16 = 0x1fff;
/// PIDs whose counters are kept; more than a multiplex of many programs has.
const MAX_PIDS: usize = 128;
/// Ticks of 27 MHz in one of 90 kHz.
pub(crate) const TICKS: u64 = 300;

/// State of a PID as sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    pid: u16,
    /// Last continuity counter sent.
    counter: u8,
    /// Offset added to the counters of the file.
    shift: u8,
    /// Whether a packet began a payload unit (a PES packet or a section).
    units: bool,
    /// Whether the next packet's counter is set to follow the last one sent.
    anew: bool,
    /// Whether payload is dropped up to the next start of a unit, because the beginning of its unit
    /// was not sent.
    waits: bool,
    /// Whether the next PCR is marked as the beginning of another time base.
    mark: bool,
}

/// Rewrites packets before they are sent.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    sent: Vec<Sent>,
    /// Offset added to the times of the file, in units of 1/27 µs.
    shift: u64,
    /// What is added to time stamps beyond that.
    lead: u64,
}

impl Stamps {
    /// Announces packets from another position, which keep their times.
    pub(crate) fn jump(&mut self) {
        (self.shift, self.lead) = (0, 0);
        for sent in &mut self.sent {
            (sent.anew, sent.waits, sent.mark) = (true, sent.units, true);
        }
    }

    /// Announces packets from another position; their times continue `ticks` after those of the
    /// packets before, rounded to the resolution of a time stamp.
    pub(crate) fn go_on(&mut self, ticks: u64) {
        self.shift = (self.shift + (ticks % PCR_MODULUS + TICKS / 2) / TICKS * TICKS) % PCR_MODULUS;
        for sent in &mut self.sent {
            (sent.anew, sent.waits) = (true, sent.units);
        }
    }

    /// Announces packets from another position, to whose clock `shift` is added, and to whose time
    /// stamps `shift` and `lead`.
    pub(crate) fn retime(&mut self, shift: u64, lead: u64) {
        (self.shift, self.lead) = (0, lead % PCR_MODULUS);
        self.go_on(shift);
    }

    /// Announces packets whose counters are unrelated to those before.
    pub(crate) fn break_counters(&mut self) {
        self.sent.iter_mut().for_each(|sent| sent.anew = true);
    }

    fn sent_with(&mut self, pid: u16, counter: u8) -> Option<&mut Sent> {
        let i = match self.sent.iter().position(|sent| sent.pid == pid) {
            Some(i) => i,
            None if self.sent.len() >= MAX_PIDS => return None,
            None => {
                let (units, anew, waits, mark) = (false, false, false, false);
                self.sent.push(Sent { pid, counter, shift: 0, units, anew, waits, mark });
                self.sent.len() - 1
            }
        };
        self.sent.get_mut(i)
    }

    /// Rewrites a packet of 188 bytes.
    pub(crate) fn handle_packet(&mut self, packet: &mut [u8]) {
        let &mut [_, b1, b2, b3, ..] = packet else { return };
        let pid = u16::from(b1 & 0x1f) << 8 | u16::from(b2);
        // What a packet with an error says of itself is not to be trusted.
        if b1 & 0x80 != 0 || pid == NULL_PID || packet.len() < PACKET_LEN {
            return;
        }
        let (begins_unit, has_payload) = (b1 & 0x40 != 0, b3 & 0x10 != 0);
        let counter = b3 & 0x0f;
        let mut mark = false;
        if let Some(sent) = self.sent_with(pid, counter) {
            let mut drops = false;
            if has_payload {
                sent.waits &= !begins_unit;
                sent.units |= begins_unit;
                drops = sent.waits;
            }
            if drops && !drop_payload(packet) {
                return;
            }
            if std::mem::take(&mut sent.anew) {
                // Only packets with payload are counted (2.4.3.3).
                let due = sent.counter.wrapping_add(u8::from(has_payload && !drops));
                sent.shift = due.wrapping_sub(counter) & 0x0f;
                sent.anew = drops;
            }
            sent.counter = counter.wrapping_add(sent.shift) & 0x0f;
            if let Some(b3) = packet.get_mut(3) {
                *b3 = *b3 & 0xf0 | sent.counter;
            }
            mark = sent.mark;
        }
        let of_stamps = (self.shift + self.lead) % PCR_MODULUS;
        if !mark && self.shift == 0 && of_stamps == 0 {
            return;
        }
        if let Some(pcr) = Pcr::parse(packet) {
            put_pcr(packet, (pcr.value + self.shift) % PCR_MODULUS);
            if mark {
                if let Some(flags) = packet.get_mut(5) {
                    *flags |= 0x80;
                }
                self.sent_with(pid, counter).into_iter().for_each(|sent| sent.mark = false);
            }
        }
        if begins_unit && of_stamps != 0 {
            shift_pes(packet, of_stamps / TICKS);
        }
    }
}

/// Removes the payload of a packet. A packet with a PCR keeps its adaptation field; another becomes
/// a null packet, and the function returns false.
pub(crate) fn drop_payload(packet: &mut [u8]) -> bool {
    let keep = Pcr::parse(packet).is_some();
    let [_, b1, b2, b3, len, rest @ ..] = packet else { return false };
    if keep {
        let old = usize::from(*len);
        *b1 &= !0x40;
        *b3 = *b3 & 0xcf | 0x20;
        *len = (PACKET_LEN - 5) as u8;
        rest.iter_mut().skip(old).for_each(|byte| *byte = 0xff);
    } else {
        (*b1, *b2, *b3) = ((NULL_PID >> 8) as u8, NULL_PID as u8, 0x10);
    }
    keep
}

/// Removes the PCR of a packet, unless something else follows it in its place.
pub(crate) fn drop_pcr(packet: &mut [u8]) {
    if Pcr::parse(packet).is_none() {
        return;
    }
    if let Some([flags, pcr @ ..]) = packet.get_mut(5..12) {
        if *flags & 0x0f == 0 {
            *flags &= !0x10;
            pcr.fill(0xff);
        }
    }
}

/// Writes the PCR of a packet that has one.
fn put_pcr(packet: &mut [u8], value: u64) {
    let (base, extension) = (value / TICKS, value % TICKS);
    let Some([p0, p1, p2, p3, p4, p5]) = packet.get_mut(6..12) else { return };
    [*p0, *p1, *p2, *p3] = ((base >> 1) as u32).to_be_bytes();
    *p4 = ((base & 1) as u8) << 7 | *p4 & 0x7e | (extension >> 8) as u8;
    *p5 = extension as u8;
}

/// Start of the payload of a packet.
fn payload_at(packet: &[u8]) -> Option<usize> {
    let &[_, _, _, b3, len, ..] = packet else { return None };
    if b3 & 0x10 == 0 {
        return None;
    }
    Some(4 + if b3 & 0x20 != 0 { 1 + usize::from(len) } else { 0 })
}

/// Reads a time stamp of a PES header: 33 bits in five bytes.
pub(crate) fn stamp(field: &[u8]) -> Option<u64> {
    let &[b0, b1, b2, b3, b4] = field.first_chunk::<5>()?;
    let [b0, b1, b2, b3, b4] = [b0, b1, b2, b3, b4].map(u64::from);
    Some((b0 >> 1 & 7) << 30 | b1 << 22 | (b2 >> 1) << 15 | b3 << 7 | b4 >> 1)
}

fn shift_stamp(field: Option<&mut [u8]>, by: u64) {
    let Some(field) = field else { return };
    let Some(value) = stamp(field) else { return };
    let value = value.wrapping_add(by) & ((1 << 33) - 1);
    let [b0, b1, b2, b3, b4] = field else { return };
    *b0 = *b0 & 0xf1 | ((value >> 30) as u8 & 7) << 1;
    *b1 = (value >> 22) as u8;
    *b2 = *b2 & 1 | ((value >> 15) as u8) << 1;
    *b3 = (value >> 7) as u8;
    *b4 = *b4 & 1 | (value as u8) << 1;
}

/// Positions of the time stamps of the PES packet that begins in a packet: PTS, and DTS if present.
/// `None` if no PES packet begins there, or one without time stamps.
fn stamps_at(packet: &[u8]) -> Option<(usize, Option<usize>)> {
    let &[_, _, _, b3, ..] = packet else { return None };
    let at = payload_at(packet)?;
    let &[0, 0, 1, stream_id, _, _, marks, flags, _] = packet.get(at..)?.first_chunk::<9>()? else {
        return None;
    };
    // Table 2-21: these have no such header. Of what is scrambled it cannot be read.
    let bare = matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff);
    if bare || marks & 0xc0 != 0x80 || b3 & 0xc0 != 0 {
        return None;
    }
    match flags >> 6 {
        2 => Some((at + 9, None)),
        3 => Some((at + 9, Some(at + 14))),
        _ => None,
    }
}

fn shift_pes(packet: &mut [u8], by: u64) {
    let Some((pts, dts)) = stamps_at(packet) else { return };
    shift_stamp(packet.get_mut(pts..pts + 5), by);
    if let Some(dts) = dts {
        shift_stamp(packet.get_mut(dts..dts + 5), by);
    }
}

/// The start of a PES packet with a time stamp.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PesStart {
    pub(crate) pid: u16,
    pub(crate) stream_id: u8,
    pub(crate) pts: u64,
    /// Decoding time; the PTS if there is no DTS.
    pub(crate) dts: u64,
    /// Start of its payload in the packet.
    pub(crate) payload: usize,
}

impl PesStart {
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let &[_, b1, b2, ..] = packet else { return None };
        if b1 & 0xc0 != 0x40 {
            return None;
        }
        let (at, dts_at) = stamps_at(packet)?;
        let pts = stamp(packet.get(at..)?)?;
        let dts = match dts_at {
            Some(at) => stamp(packet.get(at..)?)?,
            None => pts,
        };
        let (stream_id, len) = (*packet.get(at - 6)?, *packet.get(at - 1)?);
        let pid = u16::from(b1 & 0x1f) << 8 | u16::from(b2);
        Some(Self { pid, stream_id, pts, dts, payload: at + usize::from(len) })
    }
}

/// Returns PID and payload of a packet that has payload.
pub(crate) fn payload_of(packet: &[u8]) -> Option<(u16, &[u8])> {
    let &[_, b1, b2, ..] = packet else { return None };
    let pid = u16::from(b1 & 0x1f) << 8 | u16::from(b2);
    Some((pid, packet.get(payload_at(packet).filter(|_| b1 & 0x80 == 0)?..)?))
}
