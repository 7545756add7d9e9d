//! The SETUP of each track: its transport, its sockets and its receiver.

use crate::client::attempt::AttemptError;
use crate::client::back_channel::{BACK_CHANNEL_TAG, BackChannel};
use crate::client::event::Disconnection;
use crate::client::player::Player;
use crate::client::player::config::PlayerOutput;
use crate::client::player::event::PlayerEvent;
use crate::client::player::phase::{Phase, Setup, TrackKeys};
use crate::client::requests;
use crate::client::rtsp_client::RtspClient;
use crate::client::track::Track;
use crate::client::transport::{
    Chosen, MediaTransport, SetupTransport, TransportPolicy, multicast_request, protocol_of,
    tcp_request, udp_request,
};
use crate::description::{MediaSubsession, RtpProfile};
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::net::{MulticastInterface, with_port};
use crate::receive::{SocketConfig, Sockets};
use crate::rtp::receiver::KeyFrameMessage;
use crate::rtp::{StreamReceiver, StreamReceiverConfig};
use crate::wire::rtsp::{Method, Response, StatusCode, TransportSpec};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

impl Player {
    /// Sets up the first of `rest`, or begins to play if there is none.
    pub(super) fn set_up_next(
        &mut self,
        env: &mut UsageEnvironment,
        mut rest: VecDeque<usize>,
        mut failure: Option<AttemptError>,
    ) {
        let Some((track, keys)) = self.next_playable(env, &mut rest, &mut failure) else {
            return if self.tracks.is_empty() && self.back_channel.is_none() {
                self.lose(env, failure.unwrap_or(AttemptError::NoTracks))
            } else {
                let numbers: Vec<_> = self.tracks.iter().map(Track::number).collect();
                let transport = self.tracks.first().map_or(MediaTransport::Tcp, Track::transport);
                self.tell(env, PlayerEvent::SetUp { transport, tracks: &numbers });
                self.start(env)
            };
        };
        let prepared = self.prepare_transport(env, track);
        let Some(subsession) = self.media.as_ref().and_then(|m| m.subsession(track)) else {
            return self.lose(env, AttemptError::NoTracks);
        };
        let (asked, sockets) = match prepared {
            Ok(prepared) => prepared,
            Err(e) => return self.lose(env, AttemptError::Io(e)),
        };
        if let (Some(channels), Some(client)) = (asked.interleaved, &mut self.client) {
            client.expect_channels(channels);
        }
        let session = self.sessions.id_for_setup();
        let mut setup = requests::setup(&subsession.control_url, session, &asked);
        #[cfg(feature = "srtp")]
        if let Some(keys) = &keys {
            setup.headers.push("KeyMgmt", keys.request(env, &subsession.control_url));
        }
        if subsession.is_back_channel {
            setup.headers.push("Require", BACK_CHANNEL_TAG);
        }
        match self.send(env, setup) {
            Some(request) => {
                let setup = Setup { request, track, asked, keys, sockets, rest, failure };
                self.phase = Phase::SettingUp(Box::new(setup));
            }
            None => self.lose(env, AttemptError::NoTracks),
        }
    }

    /// The next track whose keys can be had, if it needs some. The others fail.
    fn next_playable(
        &mut self,
        env: &mut UsageEnvironment,
        rest: &mut VecDeque<usize>,
        failure: &mut Option<AttemptError>,
    ) -> Option<(usize, Option<TrackKeys>)> {
        loop {
            let track = rest.pop_front()?;
            match self.keys_for(env, track) {
                Ok(keys) => return Some((track, keys)),
                Err(why) => {
                    let unusable = || AttemptError::Response(Method::Describe, why.clone());
                    failure.get_or_insert_with(unusable);
                    self.tell(env, PlayerEvent::TrackFailed { track, why: unusable() });
                }
            }
        }
    }

    /// The keys for a track, if it is one with SRTP.
    #[cfg(not(feature = "srtp"))]
    const fn keys_for(&self, _: &UsageEnvironment, _: usize) -> Result<Option<TrackKeys>, String> {
        Ok(None)
    }

    /// The keys for a track, if it is one with SRTP.
    #[cfg(feature = "srtp")]
    fn keys_for(
        &self,
        env: &mut UsageEnvironment,
        track: usize,
    ) -> Result<Option<TrackKeys>, String> {
        let subsession = self.media.as_ref().and_then(|m| m.subsession(track));
        let Some(subsession) = subsession else { return Ok(None) };
        let is_secure = self.client.as_ref().is_some_and(RtspClient::is_encrypted);
        TrackKeys::of(env, subsession, self.config.srtp, is_secure)
    }

    pub(super) fn is_over_tcp(&self) -> bool {
        if self.config.client.http_tunnel_port.is_some() {
            return true;
        }
        match self.config.transport {
            TransportPolicy::Tcp => true,
            TransportPolicy::Auto => self.over_tcp.unwrap_or(false),
            TransportPolicy::Udp | TransportPolicy::Multicast => false,
        }
    }

    /// What is asked for in `Transport`, and the sockets for it.
    fn prepare_transport(
        &self,
        env: &mut UsageEnvironment,
        track: usize,
    ) -> io::Result<(TransportSpec, Option<Sockets>)> {
        let subsession = self.media.as_ref().and_then(|media| media.subsession(track));
        let protocol = protocol_of(subsession.map_or(RtpProfile::Avp, |s| s.profile));
        let is_sent = subsession.is_some_and(|s| s.is_back_channel);
        if self.config.transport == TransportPolicy::Multicast && !is_sent {
            return Ok((multicast_request(protocol), None));
        }
        if self.is_over_tcp() {
            let channel = u8::try_from(track.saturating_sub(1) * 2).unwrap_or(0) & 0xFE;
            return Ok((tcp_request(&protocol, (channel, channel + 1)), None));
        }
        let local = self.client.as_ref().and_then(RtspClient::ends).map(|(_, local)| local);
        let local = local.ok_or(io::ErrorKind::NotConnected)?;
        let multiplexed = subsession.is_some_and(|s| s.rtcp_mux);
        let port = self.next_port()?;
        let config = SocketConfig { multiplexed, ..self.socket_config(with_port(local, port)) };
        let sockets = Sockets::open(env, &config).map_err(|e| match port {
            0 => e,
            _ if multiplexed => io::Error::new(e.kind(), format!("UDP port {port}: {e}")),
            _ => io::Error::new(e.kind(), format!("UDP ports {port} and {}: {e}", port + 1)),
        })?;
        let port = sockets.rtp_address()?.port();
        let rtcp = if multiplexed { port } else { port.saturating_add(1) };
        Ok((udp_request(protocol, (port, rtcp)), Some(sockets)))
    }

    /// The port for RTP of the next track; 0 if any will do.
    fn next_port(&self) -> io::Result<u16> {
        let Some(first) = self.config.first_port else { return Ok(0) };
        let set_up = self.tracks.len() + usize::from(self.back_channel.is_some());
        let above = u16::try_from(set_up.saturating_mul(2)).ok();
        let port = above.and_then(|above| first.checked_add(above)).filter(|&p| p < u16::MAX);
        port.ok_or_else(|| io::Error::other("there are not enough ports above the first"))
    }

    fn socket_config(&self, address: SocketAddr) -> SocketConfig {
        SocketConfig {
            address,
            source: None,
            interface: MulticastInterface::Any,
            ttl: 1,
            multiplexed: false,
            receive_buffer: self.config.receive_buffer,
        }
    }

    pub(super) fn handle_setup(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let Phase::SettingUp(mut setup) = phase else { return };
        let is_sent = self.is_back_channel(setup.track);
        // For a back channel alone; what is received decides for all others.
        let may_change = (!is_sent || self.sessions.is_empty())
            && self.config.transport == TransportPolicy::Auto
            && self.config.client.http_tunnel_port.is_none()
            && !self.has_changed_transport;
        if response.status == StatusCode::UNSUPPORTED_TRANSPORT && may_change {
            self.over_tcp = Some(!self.is_over_tcp());
            self.has_changed_transport = true;
            close_sockets(env, setup.sockets.take());
            setup.rest.push_front(setup.track);
            return self.set_up_next(env, setup.rest, setup.failure);
        }
        let is_second = !self.sessions.is_empty();
        if response.status == StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED
            && is_second
            && self.sessions.separate()
        {
            close_sockets(env, setup.sockets.take());
            setup.rest.push_front(setup.track);
            return self.set_up_next(env, setup.rest, setup.failure);
        }
        let added = if response.status.is_success() {
            self.add_track(env, &mut setup, response)
        } else {
            Err(AttemptError::Status(Method::Setup, response.status))
        };
        match added {
            Ok(()) => {
                close_sockets(env, setup.sockets.take());
                self.set_up_next(env, setup.rest, setup.failure);
            }
            Err(why) => self.go_on_without(env, *setup, why),
        }
    }

    /// A track cannot be set up; the others may be.
    fn go_on_without(&mut self, env: &mut UsageEnvironment, mut setup: Setup, why: AttemptError) {
        close_sockets(env, setup.sockets.take());
        let track = setup.track;
        self.sessions.forget_track(track);
        let kept = AttemptError::Response(Method::Setup, why.to_string());
        setup.failure = Some(setup.failure.take().unwrap_or(kept));
        self.tell(env, PlayerEvent::TrackFailed { track, why });
        self.set_up_next(env, setup.rest, setup.failure);
    }

    /// The SETUP under way has failed, and is given up.
    pub(super) fn skip_track(&mut self, env: &mut UsageEnvironment, why: AttemptError) {
        if let Phase::SettingUp(setup) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.go_on_without(env, *setup, why);
        }
    }

    fn is_back_channel(&self, track: usize) -> bool {
        let subsession = self.media.as_ref().and_then(|media| media.subsession(track));
        subsession.is_some_and(|subsession| subsession.is_back_channel)
    }

    /// Whether the SETUP under way is that of the back channel.
    pub(super) fn is_back_channel_in_setup(&self) -> bool {
        match &self.phase {
            Phase::SettingUp(setup) => self.is_back_channel(setup.track),
            _ => false,
        }
    }

    fn add_track(
        &mut self,
        env: &mut UsageEnvironment,
        setup: &mut Setup,
        response: &Response<'_>,
    ) -> Result<(), AttemptError> {
        let unusable = |why: String| AttemptError::Response(Method::Setup, why);
        let (server, local) = (self.client.as_ref().and_then(RtspClient::ends))
            .ok_or(AttemptError::Disconnected(Disconnection::Closed))?;
        let session = response.headers.value("Session");
        if !self.sessions.note_setup(setup.track, session, &mut self.odd) {
            return Err(unusable("there is no session".into()));
        }
        let transport = response.headers.value("Transport");
        let transport =
            SetupTransport::of(transport, &setup.asked, server, &mut self.odd).map_err(unusable)?;
        let mut random = [0; 12];
        env.fill_random(&mut random);
        #[cfg(feature = "srtp")]
        let (random, protection) = match setup.keys.take() {
            Some(keys) => {
                let answer = response.headers.joined("KeyMgmt");
                let url = self.media.as_ref().and_then(|m| m.subsession(setup.track));
                let url = url.map_or("", |subsession| &subsession.control_url);
                let random = keys.random;
                (random, Some(keys.into_transform(answer.as_deref(), url).map_err(unusable)?))
            }
            None => (random, None),
        };
        if self.is_back_channel(setup.track) {
            let back_channel = BackChannel::new(setup.track, transport.chosen, &mut setup.sockets);
            #[cfg_attr(not(feature = "srtp"), expect(unused_mut, reason = "for SRTP"))]
            let mut back_channel = back_channel.map_err(AttemptError::Io)?;
            #[cfg(feature = "srtp")]
            if let Some(protection) = protection {
                back_channel.set_transform(protection);
            }
            self.back_channel = Some(back_channel);
            return Ok(());
        }
        let sockets = match transport.chosen {
            Chosen::Tcp { .. } if self.config.transport == TransportPolicy::Udp => {
                return Err(unusable("the server offers TCP only".to_owned()));
            }
            Chosen::Tcp { .. } => {
                if self.config.transport == TransportPolicy::Auto {
                    self.over_tcp = Some(true);
                }
                None
            }
            Chosen::Udp { .. } => {
                let mut sockets = setup.sockets.take();
                // A server that offers to multiplex need not do it.
                let port = transport.rtcp_port.filter(|port| *port > 0);
                if let (Some(sockets), Some(port)) = (&mut sockets, port) {
                    if sockets.is_multiplexed() {
                        if let Err(e) = sockets.separate(env, port) {
                            log::debug!("track {}: no RTCP at port {port}: {e}", setup.track);
                        }
                    }
                }
                sockets
            }
            Chosen::Multicast { group, rtcp_port, source, ttl } => {
                // On the interface over which the server is reached.
                let interface = match (local, local.ip().to_canonical()) {
                    (_, IpAddr::V4(address)) => MulticastInterface::Address(address),
                    (SocketAddr::V6(local), _) if local.scope_id() > 0 => {
                        MulticastInterface::Index(local.scope_id())
                    }
                    _ => MulticastInterface::Any,
                };
                let multiplexed = rtcp_port == group.port();
                let config = self.socket_config(group);
                let config = SocketConfig { source, ttl, interface, multiplexed, ..config };
                Some(Sockets::open(env, &config).map_err(AttemptError::Io)?)
            }
        };
        let subsession = self.media.as_ref().and_then(|m| m.subsession(setup.track));
        let subsession = subsession.ok_or(AttemptError::NoTracks)?;
        let receiver = self
            .receiver_for(env, subsession, &transport.chosen, random)
            .map_err(|e| unusable(e.to_string()))?;
        let track = Track::new(
            env,
            (setup.track, subsession.format.clock_rate),
            receiver,
            &transport,
            sockets,
            server,
            self.me,
        );
        let mut track = track.map_err(AttemptError::Io)?;
        #[cfg(feature = "srtp")]
        if let Some(protection) = protection {
            track.set_transform(protection);
        }
        track.begin(env);
        if let (Chosen::Tcp { channels }, Some(client)) = (transport.chosen, &mut self.client) {
            client.bind_channels(channels, u32::try_from(setup.track).unwrap_or(u32::MAX));
        }
        self.tracks.push(track);
        Ok(())
    }

    fn receiver_for(
        &self,
        env: &UsageEnvironment,
        subsession: &MediaSubsession,
        chosen: &Chosen,
        random: [u8; 12],
    ) -> Result<StreamReceiver, Error> {
        let format = &subsession.format;
        let mut config =
            StreamReceiverConfig::new(format.payload_type, format.clock_rate, self.cname.clone());
        let is_tcp = matches!(chosen, Chosen::Tcp { .. });
        config.source.max_delay = if is_tcp { Duration::ZERO } else { self.config.max_delay };
        let feedback = subsession.feedback;
        config.nack = self.config.nack && feedback.nack && !is_tcp;
        config.rtcp.reference_times = subsession.round_trip_reports;
        config.key_frame_message = match self.config.key_frame_message {
            Some(KeyFrameMessage::FullIntra) if feedback.fir => Some(KeyFrameMessage::FullIntra),
            Some(_) if feedback.pli => Some(KeyFrameMessage::PictureLoss),
            Some(_) if feedback.fir => Some(KeyFrameMessage::FullIntra),
            _ => None,
        };
        match self.config.output {
            PlayerOutput::Frames => {
                let depacketizer = subsession.depacketizer(&self.config.formats);
                StreamReceiver::new(config, depacketizer, env.now(), random)
            }
            PlayerOutput::Packets => StreamReceiver::pass_through(config, env.now(), random),
        }
    }
}

fn close_sockets(env: &mut UsageEnvironment, sockets: Option<Sockets>) {
    if let Some(sockets) = sockets {
        sockets.close(env);
    }
}
