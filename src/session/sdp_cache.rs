//! [`SdpCache`]: the last descriptions of one media session (RFC 4566), one for each local address
//! at which clients reach the server.
//!
//! A text is valid for as long as the subsessions report the revisions from which it was built; a
//! change of any revision, or of the number of subsessions, drops all texts.

use std::net::IpAddr;

/// Addresses whose texts are kept. On a host with more, texts are built more often.
const MAX_TEXTS: usize = 4;

/// Descriptions, and the subsessions' revisions from which they were built.
#[derive(Debug, Default)]
pub(crate) struct SdpCache {
    revisions: Vec<u64>,
    /// Texts; the one built last stands last.
    texts: Vec<(IpAddr, Box<str>)>,
}

impl SdpCache {
    /// Whether the texts were built from `revisions`.
    pub(crate) fn is_of(&self, revisions: impl Iterator<Item = Option<u64>>) -> bool {
        self.revisions.iter().copied().map(Some).eq(revisions)
    }

    /// Drops all texts; the next ones are built from `revisions`.
    pub(crate) fn begin(&mut self, revisions: Vec<u64>) {
        self.revisions = revisions;
        self.texts.clear();
    }

    /// The text for clients that reach the server at `local`.
    pub(crate) fn text(&self, local: IpAddr) -> Option<&str> {
        self.texts.iter().find(|(of, _)| *of == local).map(|(_, text)| &**text)
    }

    /// Adds a text; if the cache is full, it replaces the oldest.
    pub(crate) fn insert(&mut self, local: IpAddr, text: String) {
        if self.texts.len() >= MAX_TEXTS {
            self.texts.remove(0);
        }
        self.texts.push((local, text.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn another_revision_forgets_all_texts() {
        let mut cache = SdpCache::default();
        cache.begin(vec![7, 8]);
        cache.insert(address(1), "one".into());
        assert!(cache.is_of([Some(7), Some(8)].into_iter()));
        for other in [&[Some(7)][..], &[Some(7), Some(9)], &[Some(7), None], &[]] {
            assert!(!cache.is_of(other.iter().copied()), "{other:?}");
        }
        cache.begin(vec![7, 9]);
        assert_eq!(cache.text(address(1)), None);
    }

    #[test]
    fn few_addresses_are_remembered() {
        let mut cache = SdpCache::default();
        for last in 0..10 {
            cache.insert(address(last), format!("{last}"));
        }
        assert_eq!(cache.texts.len(), MAX_TEXTS);
        assert_eq!((cache.text(address(9)), cache.text(address(5))), (Some("9"), None));
    }
}
