//! Live streams in one call: the media session, the inputs and the senders of an encoder.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::media::live::LiveSender;
use crate::provide::{LiveStreamOptions, LiveTrackOptions, live_session};
use crate::server::rtsp_server::RtspServer;

impl RtspServer {
    /// Adds a live stream, and returns the senders that an encoder hands its frames to, one a
    /// track, in the order of the tracks.
    ///
    /// `stream` is the name of the stream, or [`LiveStreamOptions`]; a track is given by its
    /// [`CodecParameters`](crate::codec::CodecParameters) or by [`LiveTrackOptions`]. Frames may be
    /// sent from any thread at once, whether anybody watches or not.
    ///
    /// The stream is a media session of its name like any other. When it has been
    /// [removed](Self::remove_server_media_session) and its last client has gone, or has been
    /// [deleted](Self::delete_server_media_session), the senders' calls return
    /// [`Sent::Closed`](crate::media::live::Sent::Closed). When the last clone of a track's sender
    /// is dropped, the track ends for all clients (RTCP BYE); the media session stays until it is
    /// removed.
    ///
    /// # Errors
    /// [`Error::Usage`]: a media session has the name already. Otherwise those of
    /// [`add_server_media_session`](Self::add_server_media_session). Nothing is left of the attempt.
    ///
    /// # Example
    ///
    /// A camera with a microphone:
    ///
    /// ```no_run
    /// use riverrun::codec::{CodecParameters, PcmEncoding};
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::media::live::Sent;
    /// use riverrun::server::{LiveTrackOptions, RtspServer, ServerConfig};
    /// use std::sync::atomic::AtomicBool;
    /// use std::time::Duration;
    ///
    /// # fn encode() -> (Vec<u8>, Duration) { (vec![0], Duration::ZERO) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut env = UsageEnvironment::new()?;
    /// let address = "0.0.0.0:8554".parse()?;
    /// let server = RtspServer::new(&mut env, ServerConfig::default(), &[address])?;
    /// let sound = LiveTrackOptions::new(CodecParameters::Pcm {
    ///     encoding: PcmEncoding::Pcmu,
    ///     sampling_rate: 8000,
    ///     channels: 1,
    /// });
    /// let tracks = [LiveTrackOptions::h264(), sound];
    /// let senders = env.with(server, |server, env| server.add_live_stream(env, "camera", tracks));
    /// let [video, microphone] = senders.expect("nobody has closed the server")?;
    ///
    /// std::thread::spawn(move || {
    ///     loop {
    ///         let (access_unit, pts) = encode(); // in Annex B form
    ///         if video.send_access_unit(access_unit, pts) == Sent::Closed {
    ///             break;
    ///         }
    ///     }
    /// });
    /// # drop(microphone);
    /// env.do_event_loop(&AtomicBool::new(false))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_live_stream<const N: usize>(
        &mut self,
        env: &mut UsageEnvironment,
        stream: impl Into<LiveStreamOptions>,
        tracks: [impl Into<LiveTrackOptions>; N],
    ) -> Result<[LiveSender; N], Error> {
        let tracks = tracks.map(Into::into).into();
        let senders = self.add_live_tracks(env, stream, tracks)?;
        senders.try_into().map_err(|_| Error::Usage("each track has a sender"))
    }

    /// As [`add_live_stream`](Self::add_live_stream), with as many tracks as turn out when the
    /// program runs.
    ///
    /// # Errors
    /// As [`add_live_stream`](Self::add_live_stream).
    pub fn add_live_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        stream: impl Into<LiveStreamOptions>,
        tracks: Vec<LiveTrackOptions>,
    ) -> Result<Vec<LiveSender>, Error> {
        let options = stream.into();
        let tracks = tracks.into_iter().map(|track| (track, self.create_live_input(env))).collect();
        let (session, senders) = live_session(&options, tracks);
        let inputs = session.inputs.clone();
        let added = match self.media_sessions.by_name(session.stream_name()) {
            None => self.add_server_media_session(env, session).map(|_| senders),
            Some(_) => Err(Error::Usage("a media session has this name already")),
        };
        if added.is_err() {
            for input in inputs {
                self.delete_live_input(env, input);
            }
        }
        added
    }
}
