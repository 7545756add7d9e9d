//! Streams whose packets are protected: with what, and for how long.

use super::Streams;
use crate::error::Error;
use crate::ids::{DestinationId, StreamId};
use crate::rtp::transform::PacketTransform;
#[cfg(feature = "srtp")]
use crate::stream::statistics::StreamEvent;

impl Streams {
    /// Lets a transform protect all packets of a stream. Before the first packet.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such stream, or its packets are too small.
    #[cfg_attr(not(any(test, feature = "srtp")), expect(dead_code, reason = "of SRTP"))]
    pub(crate) fn set_transform(
        &mut self,
        id: StreamId,
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        let stream = self.table.get_mut(id).ok_or(Error::Usage("there is no such stream"))?;
        stream.set_transform(transform)
    }

    /// Lets a transform protect what one destination of a stream is sent.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such stream, or as for
    /// [`StreamState::set_destination_transform`].
    #[cfg_attr(not(test), expect(dead_code, reason = "a key for each receiver of a shared stream"))]
    pub(crate) fn set_destination_transform(
        &mut self,
        (stream, destination): (StreamId, DestinationId),
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        let stream = self.table.get_mut(stream).ok_or(Error::Usage("there is no such stream"))?;
        stream.set_destination_transform(destination, transform)
    }

    /// The key of a stream is nearly used up, and the stream ends. A client that sets the track up
    /// from now on gets another stream, with another key.
    pub(super) fn retire(&mut self, id: StreamId) {
        log::info!("stream {id} ends: its key is used up");
        let Some(stream) = self.table.get(id) else { return };
        let Some(origin) = stream.origin() else { return };
        let of = (origin, stream.is_secure());
        if self.shared.get(&of) == Some(&id) {
            self.shared.remove(&of);
            #[cfg(feature = "srtp")]
            self.events.push_back(StreamEvent::KeyUsedUp { track: origin });
        }
    }
}
