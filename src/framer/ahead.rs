//! [`Ahead`]: the NAL units before a picture of H.264 or H.265 that concern it.

use crate::codec::h264::sei::{SeiMessage, payload_type};

/// Information received since the previous picture. The framer takes it with the first slice.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) recovery_point: bool,
    pub(super) sps: bool,
    pub(super) buffering_period: bool,
    pub(super) picture_timing: Option<SeiMessage>,
}

impl Ahead {
    /// Records the messages of a SEI NAL unit.
    pub(super) fn handle_sei(&mut self, messages: impl Iterator<Item = SeiMessage>) {
        for message in messages {
            match message.payload_type {
                payload_type::BUFFERING_PERIOD => self.buffering_period = true,
                payload_type::PICTURE_TIMING => self.picture_timing = Some(message),
                payload_type::RECOVERY_POINT => self.recovery_point = true,
                _ => {}
            }
        }
    }
}
