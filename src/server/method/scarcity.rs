//! What a request may take when few descriptors are left.

use crate::net::{Descriptors, site};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::{Refusal, Refused};
use crate::session::holdings::MODEST;
use crate::stream::destination::DestinationTransport;
use crate::warned::Breach;
use crate::wire::rtsp::StatusCode;
use std::net::IpAddr;

impl Context<'_> {
    /// Fails with 503 if a request that opens a file or ports would have one address take the last
    /// descriptors: few are left, and it has more than a single client needs.
    pub(crate) fn check_descriptors(
        &mut self,
        request: &AdmittedRequest<'_>,
    ) -> Result<(), Refusal> {
        let descriptors = Descriptors::now(self.env, request.local.ip());
        if !descriptors.is_some_and(Descriptors::are_few)
            || self.descriptors_of(request.peer.ip()) < MODEST
        {
            return Ok(());
        }
        *self.refused_for_descriptors += 1;
        let level = self.warned.level_for(request.peer.ip(), Breach::TooManyDescriptors);
        log::log!(level, "{}: few descriptors are left, and it has many", request.peer);
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE);
        Err(refused.field("Retry-After", 1).into())
    }

    /// The descriptors that the clients at an address have, those of publishers among them.
    fn descriptors_of(&mut self, peer: IpAddr) -> usize {
        let is_of_peer = |id| {
            self.pool.session(id).is_some_and(|session| site(session.peer().ip()) == site(peer))
        };
        let published = self.publications.iter().filter(|(_, p)| is_of_peer(p.session));
        let ports = published
            .flat_map(|(_, publication)| publication.set_up())
            .filter(|(_, track)| matches!(track.transport, DestinationTransport::Udp { .. }));
        2 * ports.count() + self.tables().0.descriptors_of(peer)
    }
}
