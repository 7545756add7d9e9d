//! [`Tunnels`]: the connections of which HTTP tunnels are made, by cookie.

use crate::ids::ConnectionId;
use std::collections::HashMap;
use std::net::IpAddr;

/// What the two connections of a tunnel have in common. It is of one host, so that no other host
/// can take part in a tunnel whose cookie it has guessed or chosen as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TunnelKey {
    pub(crate) host: IpAddr,
    pub(crate) is_encrypted: bool,
    /// What the client has presented over TLS: a request in the tunnel is made by who has it.
    pub(crate) client_certificate: Option<[u8; 32]>,
    pub(crate) cookie: Box<str>,
}

/// The halves of tunnels. None stays longer than its connection, so the limits on connections are
/// limits on their number too, and each has a time limit until it is whole.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    /// Connections with a GET: tunnels, whole or not.
    gets: HashMap<TunnelKey, ConnectionId>,
    /// Connections with a POST whose GET has not arrived.
    posts: HashMap<TunnelKey, ConnectionId>,
    keys: HashMap<ConnectionId, TunnelKey>,
}

impl Tunnels {
    /// Adds the GET of a new tunnel. Returns the POST that waits for it, if one does; an error if
    /// there is a tunnel with that key.
    pub(crate) fn add_get(
        &mut self,
        key: TunnelKey,
        id: ConnectionId,
    ) -> Result<Option<ConnectionId>, ()> {
        if self.gets.contains_key(&key) {
            return Err(());
        }
        let post = self.posts.remove(&key);
        if let Some(post) = post {
            self.keys.remove(&post);
        }
        self.keys.insert(id, key.clone());
        self.gets.insert(key, id);
        Ok(post)
    }

    /// Returns the tunnel that a POST belongs to. Without one the POST waits; an error if another
    /// waits already.
    pub(crate) fn add_post(
        &mut self,
        key: TunnelKey,
        id: ConnectionId,
    ) -> Result<Option<ConnectionId>, ()> {
        if let Some(get) = self.gets.get(&key) {
            return Ok(Some(*get));
        }
        if self.posts.contains_key(&key) {
            return Err(());
        }
        self.keys.insert(id, key.clone());
        self.posts.insert(key, id);
        Ok(None)
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        let Some(key) = self.keys.remove(&id) else { return };
        for halves in [&mut self.gets, &mut self.posts] {
            if halves.get(&key) == Some(&id) {
                halves.remove(&key);
            }
        }
    }

    /// Number of connections that are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.keys.len(), self.gets.len() + self.posts.len());
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::RawId;

    #[test]
    fn halves_that_differ_in_anything_are_of_two_tunnels() {
        let id = |index| ConnectionId::from_raw(RawId { index, generation: 0 });
        let key = |host: [u8; 4], certificate, cookie: &str| TunnelKey {
            host: host.into(),
            is_encrypted: true,
            client_certificate: Some([certificate; 32]),
            cookie: cookie.into(),
        };
        let mut tunnels = Tunnels::default();
        assert_eq!(tunnels.add_get(key([10, 0, 0, 7], 1, "a"), id(0)), Ok(None));
        let others =
            [key([10, 0, 0, 8], 1, "a"), key([10, 0, 0, 7], 2, "a"), key([10, 0, 0, 7], 1, "b")];
        for (n, other) in (1..).zip(others) {
            assert_eq!(tunnels.add_post(other, id(n)), Ok(None));
        }
        assert_eq!(tunnels.add_post(key([10, 0, 0, 7], 1, "a"), id(9)), Ok(Some(id(0))));
        assert_eq!(tunnels.len(), 4);
    }
}
