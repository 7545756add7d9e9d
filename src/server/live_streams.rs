//! Adds live streams: the media session, the inputs and the senders of an encoder in one call.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::media::live::LiveSender;
use crate::provide::{LiveStreamOptions, LiveTrackOptions, live_session};
use crate::server::rtsp_server::RtspServer;

impl RtspServer {
    /// Adds a live stream, and returns one sender for each track, in order; the encoder passes its
    /// frames to them.
    ///
    /// `stream` is the name of the stream, or [`LiveStreamOptions`]; a track is given by its
    /// [`CodecParameters`](crate::codec::CodecParameters) or by [`LiveTrackOptions`]. Frames may be
    /// sent from any thread, whether or not there are viewers.
    ///
    /// The stream is a media session like any other. After it has been
    /// [removed](Self::remove_server_media_session) and its last client has gone, or after it has
    /// been [deleted](Self::delete_server_media_session), the senders return
    /// [`Sent::Closed`](crate::media::live::Sent::Closed). When the last clone of a track's sender
    /// is dropped, the track ends for all clients (RTCP BYE); the media session stays until it is
    /// removed.
    ///
    /// # Errors
    /// [`Error::Usage`]: a media session of this name exists. Otherwise those of
    /// [`add_server_media_session`](Self::add_server_media_session). On an error nothing is added.
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

    /// Like [`add_live_stream`](Self::add_live_stream), for a number of tracks that is known at run
    /// time only.
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
