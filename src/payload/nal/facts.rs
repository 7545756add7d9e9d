//! [`payload_facts`]: what the payload of one packet tells of its picture (RFC 6184 section 5.6,
//! RFC 7798 section 4.4).

use super::packetizer::FU_START;
use super::rules::{NalRules, Structure};
use crate::framer::leading::{NalCodec, UnitFacts, unit_facts};
use crate::payload::key_frames::PayloadFacts;

/// Most NAL units of an aggregation packet that are examined.
const MAX_AGGREGATED: usize = 64;
/// Bytes at the beginning of a fragmented NAL unit that are examined: the type of a slice is among
/// the first.
const EXAMINED: usize = 24;

/// Examines a payload of H.264 or H.265; `has_don`: with decoding order numbers (RFC 7798 sections
/// 4.4.1 to 4.4.3). Payloads of the interleaved modes of H.264 tell nothing.
pub(in crate::payload) fn payload_facts<R: NalRules>(
    codec: NalCodec,
    payload: &[u8],
    has_don: bool,
) -> PayloadFacts {
    let mut facts = PayloadFacts::default();
    let Some((header, body)) = payload.split_at_checked(R::HEADER_LEN) else { return facts };
    // DONL has two bytes, DOND one.
    let don_len = |is_first: bool| if has_don { 1 + usize::from(is_first) } else { 0 };
    match R::structure(header) {
        Structure::Single if has_don => {
            if let Some(body) = body.get(don_len(true)..) {
                add(&mut facts, beginning_facts::<R>(codec, header, body));
            }
        }
        Structure::Single => add(&mut facts, unit_facts(codec, payload)),
        Structure::Aggregate => {
            let mut rest = body;
            for number in 0..MAX_AGGREGATED {
                rest = rest.get(don_len(number == 0)..).unwrap_or_default();
                let Some((len, behind)) = rest.split_first_chunk() else { break };
                let len = usize::from(u16::from_be_bytes(*len));
                let Some((nal, behind)) = behind.split_at_checked(len) else { break };
                add(&mut facts, unit_facts(codec, nal));
                if facts.has_picture {
                    break;
                }
                rest = behind;
            }
        }
        Structure::Fragment => {
            let Some((&fu_header, body)) = body.split_first() else { return facts };
            let starts = fu_header & FU_START != 0;
            let don = if starts { don_len(true) } else { 0 };
            let nal_header = R::nal_header(header, fu_header & R::FU_TYPE);
            let Some(body) = body.get(don..) else { return facts };
            let unit = beginning_facts::<R>(codec, &nal_header, body);
            if starts {
                add(&mut facts, unit);
            } else {
                facts.has_picture = unit.slice;
            }
        }
        Structure::Other(_) => {}
    }
    facts
}

/// The facts of a NAL unit whose header does not lie in front of the beginning of its body.
fn beginning_facts<R: NalRules>(codec: NalCodec, header: &[u8], body: &[u8]) -> UnitFacts {
    let mut nal = [0; EXAMINED];
    let header = header.get(..R::HEADER_LEN).unwrap_or_default();
    let len = (header.len() + body.len()).min(EXAMINED);
    nal.iter_mut().zip(header.iter().chain(body)).for_each(|(to, from)| *to = *from);
    unit_facts(codec, nal.get(..len).unwrap_or_default())
}

const fn add(facts: &mut PayloadFacts, unit: UnitFacts) {
    facts.can_start |= unit.key;
    facts.has_picture |= unit.slice;
    facts.is_intra |= unit.intra;
    facts.has_parameter_sets |= unit.sets;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::h264::H264Rules;
    use crate::payload::h265::H265Rules;

    const SPS: &[u8] = &[0x67, 66, 0, 10];
    const PPS: &[u8] = &[0x68, 1];
    const IDR: &[u8] = &[0x65, 0x88, 0x80];
    const I_SLICE: &[u8] = &[0x41, 0b1000_1000, 0x80];
    const P_SLICE: &[u8] = &[0x41, 0b1001_1010, 0x80];

    fn h264(payload: &[u8]) -> PayloadFacts {
        payload_facts::<H264Rules>(NalCodec::H264, payload, false)
    }

    fn h265(payload: &[u8]) -> PayloadFacts {
        payload_facts::<H265Rules>(NalCodec::H265, payload, false)
    }

    fn aggregate(header: &[u8], nals: &[&[u8]]) -> Vec<u8> {
        let mut payload = header.to_vec();
        for nal in nals {
            payload.extend((nal.len() as u16).to_be_bytes());
            payload.extend_from_slice(nal);
        }
        payload
    }

    const NONE: PayloadFacts = PayloadFacts {
        can_start: false,
        has_picture: false,
        is_intra: false,
        has_parameter_sets: false,
    };

    #[test]
    fn h264_payloads_of_every_structure() {
        let key = PayloadFacts { can_start: true, has_picture: true, is_intra: true, ..NONE };
        let other = PayloadFacts { has_picture: true, ..NONE };
        let sets = PayloadFacts { has_parameter_sets: true, ..NONE };
        assert_eq!(h264(IDR), PayloadFacts { is_intra: h264(IDR).is_intra, ..key });
        assert_eq!(h264(P_SLICE), other);
        assert_eq!(h264(I_SLICE), PayloadFacts { is_intra: true, ..other });
        assert_eq!((h264(SPS), h264(PPS), h264(&[9, 0xf0])), (sets, NONE, NONE));
        assert!(h264(&[6, 6, 1, 0x84, 0x80]).can_start, "a recovery point");
        let all = h264(&aggregate(&[0x78], &[SPS, PPS, IDR]));
        assert!(all.can_start && all.has_picture && all.has_parameter_sets);
        let cut = aggregate(&[0x78], &[SPS, PPS, IDR]);
        assert_eq!(h264(&cut[..cut.len() - 1]), sets, "what does not fit counts for nothing");
        // FU-A: only the beginning decides.
        assert!(h264(&[0x7c, 0x85, 0x88, 0x80]).can_start);
        assert_eq!(h264(&[0x7c, 0x05, 0x88, 0x80]), other);
        assert_eq!(h264(&[0x5c, 0x81, 0b1001_1010, 0x80]), other);
        assert!(h264(&[0x5c, 0x81, 0b1000_1000, 0x80]).is_intra);
        for nothing in [&[][..], &[0x7c], &[0x78], &[0x78, 0, 9, 0x65], &[0x1e, 1, 2, 3]] {
            assert_eq!(h264(nothing), NONE, "{nothing:?}");
        }
    }

    #[test]
    fn h265_payloads_of_every_structure() {
        let vps: &[u8] = &[32 << 1, 1, 7];
        let idr: &[u8] = &[19 << 1, 1, 0x80];
        assert!(h265(idr).can_start && h265(&[21 << 1, 1, 0x80]).can_start);
        assert!(h265(vps).has_parameter_sets && h265(&[33 << 1, 1, 7]).has_parameter_sets);
        let trail = h265(&[1 << 1, 1, 0x80]);
        assert!(trail.has_picture && !trail.can_start);
        let all = h265(&aggregate(&[48 << 1, 1], &[vps, idr]));
        assert!(all.can_start && all.has_parameter_sets);
        assert!(h265(&[49 << 1, 1, 0x80 | 19, 0x80]).can_start);
        let inner = h265(&[49 << 1, 1, 19, 0x80]);
        assert!(inner.has_picture && !inner.can_start);
        assert_eq!(h265(&[19 << 1]), NONE);
    }

    /// RFC 7798 sections 4.4.1 to 4.4.3: DONL 0x0001 looks like another NAL unit, or its size.
    #[test]
    fn h265_payloads_with_decoding_order_numbers() {
        let h265 = |payload: &[u8]| payload_facts::<H265Rules>(NalCodec::H265, payload, true);
        let idr = h265(&[19 << 1, 1, 0, 1, 0x80]);
        assert!(idr.can_start && idr.has_picture);
        assert!(h265(&[32 << 1, 1, 0, 1, 7]).has_parameter_sets);
        let trail = h265(&[1 << 1, 1, 0, 1, 0x80]);
        assert!(trail.has_picture && !trail.can_start);
        let all = [48 << 1, 1, 0, 1, 0, 3, 32 << 1, 1, 7, 0, 0, 3, 19 << 1, 1, 0x80];
        assert!(h265(&all).can_start && h265(&all).has_parameter_sets);
        assert!(h265(&[49 << 1, 1, 0x80 | 19, 0, 1, 0x80]).can_start);
        let inner = h265(&[49 << 1, 1, 19, 0x80]);
        assert!(inner.has_picture && !inner.can_start);
        for nothing in
            [&[19 << 1, 1, 0][..], &[48 << 1, 1, 0], &[49 << 1, 1], &[49 << 1, 1, 0x80 | 19, 0]]
        {
            assert!(!h265(nothing).can_start, "{nothing:?}");
        }
    }
}
