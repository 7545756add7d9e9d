//! The server's side of back channels: adding them, opening them, and the packets of talkers.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{BackChannelId, ClientSessionId};
use crate::rtp::StreamReceiver;
use crate::server::method::outcome::Until;
use crate::server::rtsp_server::RtspServer;
use crate::server::talk::options::BackChannelOptions;
use crate::server::talk::sink::BackChannelSink;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

impl RtspServer {
    /// Adds a back channel (ONVIF Streaming Specification section 5.3): audio that a client sends to
    /// the server goes to `sink`. Clients find it in the descriptions of the media sessions that name
    /// it, behind their tracks, if they ask with `Require: www.onvif.org/ver20/backchannel`:
    /// [`LiveStreamOptions::with_back_channel`](super::LiveStreamOptions::with_back_channel),
    /// [`RelayedStreamOptions::with_back_channel`](super::RelayedStreamOptions::with_back_channel),
    /// [`ServerMediaSession::with_back_channel`](super::ServerMediaSession::with_back_channel).
    /// Other clients notice nothing of it.
    ///
    /// With an [authenticator](Self::set_authenticator), a client needs the right to
    /// [talk](super::access::Action::Talk). To a user without it the stream is described as one
    /// without a back channel; a client that has not said who it is is asked.
    ///
    /// One client at a time may set up the channel; another one is answered 453 (Not Enough Bandwidth,
    /// RFC 2326 section 11.3.4: what is asked for is reserved for somebody else). The channel is free
    /// after TEARDOWN of its control or its session, after the time-out of the session, and over TCP
    /// when the connection is lost. A client may set it up without any track. Its packets keep its
    /// session alive; it may be silent.
    ///
    /// # Errors
    /// [`Error::Usage`]: the formats cannot be described.
    ///
    /// # Example
    ///
    /// ```
    /// use riverrun::codec::{CodecParameters, PcmEncoding};
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::rtp::ReceivedFrame;
    /// use riverrun::server::{
    ///     BackChannelOptions, BackChannelSink, LiveStreamOptions, LiveTrackOptions, RtspServer,
    ///     ServerConfig,
    /// };
    ///
    /// struct Speaker;
    ///
    /// impl BackChannelSink for Speaker {
    ///     fn frame(&mut self, frame: ReceivedFrame) {
    ///         println!("{} bytes for the speaker", frame.data.len());
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut env = UsageEnvironment::new()?;
    /// let address = "127.0.0.1:0".parse()?;
    /// let server = RtspServer::new(&mut env, ServerConfig::default(), &[address])?;
    /// let encoding = PcmEncoding::Pcmu;
    /// let g711 = CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 };
    /// let [camera] = env.with(server, |server, env| {
    ///     let options = BackChannelOptions::for_codecs(&[g711])?;
    ///     let speaker = server.add_back_channel(options, Speaker)?;
    ///     let stream = LiveStreamOptions::new("door").with_back_channel(speaker);
    ///     server.add_live_stream(env, stream, [LiveTrackOptions::h264()])
    /// })??;
    /// # drop(camera);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_back_channel(
        &mut self,
        options: BackChannelOptions,
        sink: impl BackChannelSink + 'static,
    ) -> Result<BackChannelId, Error> {
        options.check()?;
        Ok(self.back_channels.insert(options, Box::new(sink)))
    }

    /// Removes a back channel, with the client that talks to it. Returns false if there was none.
    /// Media sessions that name it are described without it from now on.
    pub fn remove_back_channel(&mut self, env: &mut UsageEnvironment, id: BackChannelId) -> bool {
        if let Some(session) = self.talker_of(id) {
            let tables = (&mut self.streams, &mut self.connections);
            self.back_channels.release(env, tables, (session, id));
        }
        let existed = self.back_channels.remove(id);
        self.wake_requests(env, Until::BackChannelOpens);
        existed
    }

    /// Returns the client session that has set up a back channel; `None` if nobody has.
    /// [`end_client_session`](Self::end_client_session) ends it.
    pub fn talker_of(&self, id: BackChannelId) -> Option<ClientSessionId> {
        Some(self.back_channels.get(id)?.talker.as_ref()?.session)
    }

    /// Returns the receiver of the client that talks, with the counters of what has arrived and was
    /// lost; `None` before its first packet.
    pub fn talk_receiver(&self, id: BackChannelId) -> Option<&StreamReceiver> {
        self.back_channels.get(id)?.talker.as_ref()?.receiver_in_use()
    }

    /// Returns whether a client waits for a back channel that is opened on demand, which is neither
    /// open nor refused.
    pub fn is_back_channel_wanted(&self, id: BackChannelId) -> bool {
        self.back_channels.get(id).is_some_and(|channel| channel.is_wanted())
    }

    /// Tells that a back channel which is [opened on
    /// demand](super::BackChannelOptions::opened_on_demand) is open: the client that waits may talk,
    /// and others later, until [`close_back_channel`](Self::close_back_channel). Returns false if there
    /// is no such channel.
    pub fn back_channel_opened(&mut self, env: &mut UsageEnvironment, id: BackChannelId) -> bool {
        let exists = self.back_channels.open(id);
        self.wake_requests(env, Until::BackChannelOpens);
        exists
    }

    /// Tells that a back channel which is opened on demand cannot be opened. The client that waits,
    /// and those that want to talk within `time`, are answered with `status`; the sink is asked again
    /// afterwards. Returns false if there is no such channel.
    pub fn back_channel_refused(
        &mut self,
        env: &mut UsageEnvironment,
        id: BackChannelId,
        status: StatusCode,
        time: Duration,
    ) -> bool {
        let until = env.now().checked_add(time);
        let exists = self.back_channels.refuse(id, status, until);
        self.wake_requests(env, Until::BackChannelOpens);
        exists
    }

    /// Closes a back channel that is opened on demand: the sink is asked again before the next client
    /// may talk. A client that has set it up keeps it. Returns false if there is no such channel.
    pub fn close_back_channel(&mut self, id: BackChannelId) -> bool {
        self.back_channels.close(id)
    }

    /// Takes a packet that has come from the client that has set up a back channel.
    pub(crate) fn receive_talk(
        &mut self,
        env: &mut UsageEnvironment,
        id: BackChannelId,
        packet: (PacketKind, &[u8]),
    ) {
        let tables = (&mut self.streams, &mut self.connections);
        if let Some(session) = self.back_channels.handle_packet(env, tables, id, packet) {
            self.pool.touch(session, env.now());
        }
    }

    /// The timer of a client that talks has expired.
    pub(crate) fn run_talker(&mut self, env: &mut UsageEnvironment, id: BackChannelId) {
        let tables = (&mut self.streams, &mut self.connections);
        self.back_channels.run(env, tables, id);
    }
}
