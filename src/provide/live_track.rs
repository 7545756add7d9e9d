//! [`LiveTrack`]: a track fed by a live stream from an encoder's thread.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::ids::InputId;
use crate::media::live::{LiveStream, TextPauses};
use crate::media::{FramedSource, SourceContext};
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::session::subsession::{StreamFactory, StreamRequest};

/// The [`StreamFactory`] of a [`LiveStream`], for media sessions that
/// [`RtspServer::add_live_stream`](crate::server::RtspServer::add_live_stream) cannot make: with
/// other tracks next to it, or with SDP lines of their own.
#[derive(Debug)]
pub struct LiveTrack {
    stream: LiveStream,
    input: InputId,
    payload_type: u8,
    bandwidth_kbps: Option<u32>,
    formats: FormatRegistry,
}

impl LiveTrack {
    /// Creates a track of `stream`. `input` must be the one whose waker `stream` was created with;
    /// see [`RtspServer::create_live_input`](crate::server::RtspServer::create_live_input).
    pub const fn new(stream: LiveStream, input: InputId) -> Self {
        let formats = FormatRegistry::new();
        Self { stream, input, payload_type: 96, bandwidth_kbps: None, formats }
    }

    /// Sets the registry of payload formats, instead of the [standard
    /// one](FormatRegistry::standard). A codec of the application's own needs a registry with an
    /// entry for it; otherwise the track is refused when it is added to a server.
    pub fn with_formats(mut self, formats: FormatRegistry) -> Self {
        self.formats = formats;
        self
    }

    /// Sets the dynamic payload type (96–127; default 96). With any other number the track is
    /// refused when it is added to a server.
    pub const fn with_payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = payload_type;
        self
    }

    /// Sets the bandwidth in kbit/s that clients are told (SDP `b=AS`).
    pub const fn with_bandwidth_kbps(mut self, kbps: u32) -> Self {
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

    /// `None` until the parameter sets are known: a DESCRIBE waits for them.
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
        let source = self.stream.create_source();
        Ok(match source.parameters() {
            CodecParameters::Text => Box::new(TextPauses::new(source)),
            _ => Box::new(source),
        })
    }

    fn live_input(&self) -> Option<InputId> {
        Some(self.input)
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.bandwidth_kbps
    }

    /// Changes with the parameters only; everything else is fixed.
    fn revision(&self) -> Option<u64> {
        Some(self.stream.fingerprint())
    }
}
