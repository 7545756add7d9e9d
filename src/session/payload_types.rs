//! Payload types of the tracks of one session (RFC 3551 section 6, RFC 4566 section 5.14).
//!
//! Each track is an RTP stream of its own, so two tracks may use the same number. But some
//! receivers look tracks up by number, and a description with distinct numbers is clearer.

/// The range of the numbers that a session may assign.
pub(crate) const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// The payload type that a track declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    /// `None` while the format is unknown.
    pub(crate) payload_type: Option<u8>,
    /// Whether packets with this payload type have been sent already.
    pub(crate) is_fixed: bool,
}

/// Assigns payload types: a track keeps the type that it declares, unless it is a dynamic one that
/// another track has; it then gets the lowest free one. The result depends on the declarations
/// only.
pub(crate) fn number(tracks: &[Declared]) -> Vec<Option<u8>> {
    let mut taken = 0_u128;
    let mut take = |payload_type: u8| {
        let bit = 1_u128.checked_shl(payload_type.into()).unwrap_or(0);
        let is_free = taken & bit == 0;
        taken |= bit;
        is_free
    };
    let dynamic = |track: &Declared| track.payload_type.filter(|n| DYNAMIC.contains(n));
    for fixed in tracks.iter().filter(|track| track.is_fixed).filter_map(dynamic) {
        take(fixed);
    }
    // First all that keep what they declare, so that nobody is given what another one declares.
    let keeps: Vec<_> =
        tracks.iter().map(|track| track.is_fixed || dynamic(track).is_none_or(&mut take)).collect();
    let mut free = DYNAMIC.filter(|&n| take(n));
    let mut numbers = Vec::with_capacity(tracks.len());
    for (track, keeps) in tracks.iter().zip(keeps) {
        // With more tracks than numbers, some have the same.
        let other = if keeps { None } else { free.next() };
        numbers.push(other.or(track.payload_type));
    }
    numbers
}

/// Replaces the declared payload type at the start of an attribute by the assigned one.
pub(crate) fn renumber(attribute: &str, declared: u8, given: u8) -> Option<String> {
    let (name, value) = attribute.strip_prefix("a=")?.split_once(':')?;
    if !["rtpmap", "fmtp", "rtcp-fb", "framesize", "imageattr"].contains(&name) {
        return None;
    }
    let rest = value.strip_prefix(&declared.to_string())?;
    rest.starts_with(' ').then(|| format!("a={name}:{given}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers assigned to tracks on demand that declare `declared`; `None` for unknown
    /// formats.
    fn on_demand(declared: &[Option<u8>]) -> Vec<Option<u8>> {
        let track = |&payload_type| Declared { payload_type, is_fixed: false };
        number(&declared.iter().map(track).collect::<Vec<_>>())
    }

    #[test]
    fn each_dynamic_number_is_of_one_track() {
        let some = |numbers: &[u8]| numbers.iter().copied().map(Some).collect::<Vec<_>>();
        for (declared, given) in [
            (&[96, 97][..], &[96, 97][..]),
            (&[96, 96, 96], &[96, 97, 98]),
            (&[96, 96, 97], &[96, 98, 97]),
            (&[97, 96, 97], &[97, 96, 98]),
            // Static ones say what they are, whoever else has them.
            (&[0, 96, 0, 33, 96], &[0, 96, 0, 33, 97]),
        ] {
            assert_eq!(on_demand(&some(declared)), some(given));
        }
        assert_eq!(on_demand(&[Some(96), None, Some(96)]), [Some(96), None, Some(97)]);
        // What runs already keeps its number.
        let fixed = Declared { payload_type: Some(96), is_fixed: true };
        let other = Declared { is_fixed: false, ..fixed };
        assert_eq!(number(&[other, fixed, other]), [Some(97), Some(96), Some(98)]);
        let many = on_demand(&[Some(96); 40]);
        assert_eq!((many[31], many[39]), (Some(127), Some(96)));
    }

    #[test]
    fn attributes_follow_their_track() {
        let moved = |attribute| renumber(attribute, 96, 97);
        assert_eq!(moved("a=rtcp-fb:96 nack pli").as_deref(), Some("a=rtcp-fb:97 nack pli"));
        assert_eq!(moved("a=fmtp:96 x=96").as_deref(), Some("a=fmtp:97 x=96"));
        for other in ["a=fmtp:960 x", "a=fmtp:98 x", "a=ssrc:96 x", "a=sendonly", "b=AS:96"] {
            assert_eq!(moved(other), None, "{other}");
        }
    }
}
