//! [`Candidates`]: other SSRCs than the one in use, of which one may take its place.

/// Another SSRC, of which a packet has come.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) ssrc: u32,
    /// The sequence number that speaks for it.
    pub(super) next: u16,
    /// Its packet, if none of the SSRC that was announced has come.
    pub(super) first: Option<Vec<u8>>,
}

/// The two that have been heard last: where the SSRC that was announced is wrong, the packets of two
/// senders may come in turn.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    latest: Option<Candidate>,
    other: Option<Candidate>,
}

impl Candidates {
    /// Notes a packet. Returns the candidate as it was before, if it was one.
    pub(super) fn replace(&mut self, candidate: Candidate) -> Option<Candidate> {
        let is_same = |known: &mut Candidate| known.ssrc == candidate.ssrc;
        let before = match self.latest.take_if(is_same) {
            Some(before) => Some(before),
            None => {
                let before = self.other.take_if(is_same);
                self.other = self.latest.take();
                before
            }
        };
        self.latest = Some(candidate);
        before
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        // With each packet of the SSRC in use: there are none, nearly always.
        if self.latest.is_some() {
            (self.latest, self.other) = (None, None);
        }
    }
}
