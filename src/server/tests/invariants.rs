//! What must be true of a server's tables between any two turns.

use super::world::World;
use crate::arena::Id;
use crate::ids::PacketOwner;
use crate::rtsp::channels::Route;
use crate::stream::destination::DestinationTransport;
use crate::wire::rtp::PacketKind;

impl World {
    /// Checks that all that refers to something refers to what is there, and that nothing is left
    /// that nobody uses.
    #[track_caller]
    pub(super) fn check(&mut self) {
        #[cfg(debug_assertions)]
        self.serve(|server, _| server.media_sessions.check_references(&server.pool));
        let server = self.server();
        let mut destinations = 0;
        for (key, session) in server.pool().iter() {
            let publishes = server.publications.of_session(key).is_some();
            assert!(session.media_len() > 0 || publishes, "a session without media");
            for (_, media) in session.media() {
                assert!(server.media_session(media.media_session()).is_some());
                for track in media.tracks() {
                    destinations += 1;
                    let stream = server.streams.get(track.stream).expect("a track has a stream");
                    assert_eq!(
                        stream.origin().map(|o| o.0),
                        Some(media.media_session()),
                        "of the session's media"
                    );
                    let destination = stream.destination(track.destination).expect("a destination");
                    assert_eq!(destination.session(), Some(key));
                    match destination.transport() {
                        DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                            let c = server.connections.get(connection).expect("a connection");
                            assert!(c.sessions.iter().any(|session| session == key));
                            let owner = PacketOwner::Destination(track.stream, track.destination);
                            for (channel, kind) in
                                [(rtp_channel, PacketKind::Rtp), (rtcp_channel, PacketKind::Rtcp)]
                            {
                                let route = c.channels.route(channel);
                                assert_eq!(route, Some(Route { owner, kind }));
                            }
                        }
                        DestinationTransport::Udp { sockets, .. } => {
                            assert!(server.streams.sockets(sockets).is_some());
                            assert!(stream.sockets().any(|s| s == sockets));
                        }
                    }
                }
            }
        }
        for (id, publication) in server.publications.iter() {
            let session = server.pool().session(publication.session).expect("a session");
            assert_eq!(server.publications.of_session(session.key()), Some(id));
            assert_eq!(server.publications.by_name(&publication.name), Some(id));
            assert_eq!(session.media_len(), 0, "it publishes or plays");
        }
        for (id, talker) in server.back_channels.talkers() {
            let session = server.pool().session(talker.session).expect("a session");
            let mut talks = session.media().filter_map(|(_, media)| media.talk);
            let talk = talks.find(|talk| talk.channel == id).expect("it is noted in the session");
            assert_eq!(talk.connection, talker.connection());
        }
        let mut users = 0;
        for (id, stream) in server.streams.iter() {
            users += stream.users();
            if let Some(origin) = stream.origin() {
                assert!(stream.users() > 0, "stream {id} has no users");
                let known = server.streams.shared_stream(origin, stream.is_secure()) == Some(id);
                let is_joined = stream.is_shared() && !stream.is_retired();
                assert_eq!(known, is_joined, "stream {id} is shared");
            }
        }
        assert_eq!(users, destinations, "every destination is some session's");
        server.streams.check();
        server.media_sessions.check_names();
        for (id, session) in server.media_sessions.iter() {
            let in_table = server.media_sessions.by_name(session.stream_name()) == Some(id);
            assert!(in_table || session.reference_count() > 0, "{session:?} is nobody's");
        }
        let config = &server.config;
        for (id, connection) in server.connections.iter() {
            for session in connection.sessions.iter() {
                assert!(server.pool().session(session).is_some(), "{id} names a session");
            }
            for owner in connection.channels.owners() {
                let (stream, destination) = match owner {
                    PacketOwner::Destination(stream, destination) => (stream, destination),
                    PacketOwner::Published(publication, track) => {
                        let publication = server.publications.get(publication);
                        let mut tracks = publication.expect("a publication").set_up();
                        let (_, track) = tracks.find(|(n, _)| *n == track).expect("a track");
                        assert_eq!(track.connection(), Some(id));
                        continue;
                    }
                    PacketOwner::Spoken(channel) => {
                        let talker = server.back_channels.get(channel).expect("a channel");
                        let talker = talker.talker.as_ref().expect("a talker");
                        assert_eq!(talker.connection(), Some(id));
                        continue;
                    }
                };
                let stream = server.streams.get(stream).expect("a channel has a stream");
                let destination = stream.destination(destination).expect("a destination");
                let to = match destination.transport() {
                    DestinationTransport::Tcp { connection, .. } => Some(connection),
                    DestinationTransport::Udp { .. } => None,
                };
                assert_eq!(to, Some(Id::from_raw(id.raw())));
            }
            let (input, output) = connection.held_bytes();
            assert!(input <= config.request_limits.buffer_bound() + 16 * 1024);
            let most = config.max_queued_media + config.max_queued_answers + (256 << 10);
            assert!(output <= most, "{output} bytes wait");
        }
    }
}
