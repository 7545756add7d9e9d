//! [`LiveTrack`]: a live stream from an encoder's thread as a subsession.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::ids::InputId;
use crate::media::live::LiveStream;
use crate::media::{FramedSource, SourceContext};
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::session::subsession::{StreamFactory, StreamRequest};

/// Makes streams of a [`LiveStream`].
#[derive(Debug)]
pub struct LiveTrack {
    stream: LiveStream,
    input: InputId,
    payload_type: u8,
    bandwidth_kbps: Option<u32>,
    formats: FormatRegistry,
}

impl LiveTrack {
    /// `input` is what wakes the loop for `stream`
    /// (see [`RtspServer::create_live_input`](super::RtspServer::create_live_input)).
    pub const fn new(stream: LiveStream, input: InputId) -> Self {
        let formats = FormatRegistry::new();
        Self { stream, input, payload_type: 96, bandwidth_kbps: None, formats }
    }

    /// Uses other payload formats than the standard ones: those of a stream of the application's
    /// own codec.
    pub fn formats(mut self, formats: FormatRegistry) -> Self {
        self.formats = formats;
        self
    }

    /// Uses another dynamic payload type (96–127). With any other number the track is refused
    /// when it is added to a server.
    pub const fn payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = payload_type;
        self
    }

    /// Tells clients the bandwidth.
    pub const fn bandwidth_kbps(mut self, kbps: u32) -> Self {
        self.bandwidth_kbps = Some(kbps);
        self
    }
}

impl StreamFactory for LiveTrack {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(self.stream.parameters())
    }

    fn dynamic_payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Not known before the parameter sets are: a DESCRIBE waits for them.
    fn payload_format(&self) -> Option<PayloadFormat> {
        let parameters = self.stream.is_described().then(|| self.stream.parameters())?;
        self.formats.format(&parameters, self.payload_type).ok()
    }

    fn formats(&self) -> &FormatRegistry {
        &self.formats
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        Ok(Box::new(self.stream.create_source()))
    }

    fn live_input(&self) -> Option<InputId> {
        Some(self.input)
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.bandwidth_kbps
    }

    /// All but the parameters was said when it was made.
    fn revision(&self) -> Option<u64> {
        Some(self.stream.fingerprint())
    }
}
