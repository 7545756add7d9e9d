//! SETUP of the tracks at the other server, over UDP or interleaved (RFC 2326 section 12.39).

use super::{KEY_RTCP, KEY_RTP, Pusher};
use crate::arena::RawId;
use crate::client::AttemptError;
use crate::client::requests;
use crate::client::transport::{Chosen, SetupTransport, tcp_request, udp_request};
use crate::client::{Disconnection, RtspClient, TransportPolicy};
use crate::env::{EventKey, UsageEnvironment};
use crate::net::{MulticastInterface, with_port};
use crate::receive::{SocketConfig, Sockets};
use crate::relay::pusher::phase::{Phase, Setup, Way};
use crate::relay::pusher::viewer::LocalViewer;
use crate::wire::Oddities;
use crate::wire::rtsp::{Method, Protocol, Response, TransportSpec};
use std::io;
use std::time::Duration;

/// Bytes that the system is asked to keep of a server's reports.
const RECEIVE_BUFFER: usize = 64 * 1024;

impl Pusher {
    fn is_over_tcp(&self) -> bool {
        self.config.client.http_tunnel_port.is_some()
            || match self.config.transport {
                TransportPolicy::Auto => self.over_tcp.unwrap_or(false),
                TransportPolicy::Udp => false,
                _ => true,
            }
    }

    /// Sends the SETUP of a track, or RECORD if there is none left.
    pub(super) fn set_up(&mut self, env: &mut UsageEnvironment, track: usize) {
        let Some(url) = self.tracks.get(track).map(|track| track.control_url.clone()) else {
            return self.record(env);
        };
        let prepared = if self.is_over_tcp() {
            Ok((tcp_request(&Protocol::RtpAvp, LocalViewer::channels(track)), None))
        } else {
            self.prepare_udp(env)
        };
        let (asked, sockets) = match prepared {
            Ok(prepared) => prepared,
            Err(e) => return self.lose(env, AttemptError::Io(e)),
        };
        if let (Some(channels), Some(client)) = (asked.interleaved, &mut self.client) {
            client.expect_channels(channels);
        }
        let mut setup = requests::setup(&url, self.session.as_deref(), &asked);
        // As publishers write it: some servers know the word in no other form.
        setup.headers.remove("Transport");
        setup.headers.push("Transport", format_args!("{asked};mode=record"));
        match self.send(env, setup) {
            Some(request) => {
                let setup = Setup { request, track, asked, sockets };
                self.phase = Phase::SettingUp(Box::new(setup));
            }
            None => close(env, sockets),
        }
    }

    fn prepare_udp(
        &self,
        env: &mut UsageEnvironment,
    ) -> io::Result<(TransportSpec, Option<Sockets>)> {
        let ends = self.client.as_ref().and_then(RtspClient::ends);
        let (_, local) = ends.ok_or(io::ErrorKind::NotConnected)?;
        let config = SocketConfig {
            address: with_port(local, 0),
            source: None,
            interface: MulticastInterface::Any,
            ttl: 1,
            multiplexed: false,
            receive_buffer: RECEIVE_BUFFER,
        };
        let sockets = Sockets::open(env, &config)?;
        match sockets.rtp_address() {
            Ok(address) => {
                let rtp = address.port();
                let asked = udp_request(Protocol::RtpAvp, (rtp, rtp.saturating_add(1)));
                Ok((asked, Some(sockets)))
            }
            Err(e) => {
                sockets.close(env);
                Err(e)
            }
        }
    }

    /// Asks for TCP where the server has refused UDP, if both may be tried. Returns whether it does.
    pub(super) fn try_tcp(&mut self, env: &mut UsageEnvironment) -> bool {
        if self.config.transport != TransportPolicy::Auto || self.is_over_tcp() {
            return false;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let Phase::SettingUp(setup) = phase else {
            self.phase = phase;
            return false;
        };
        let Setup { track, sockets, .. } = *setup;
        close(env, sockets);
        self.over_tcp = Some(true);
        if track == 0 {
            self.set_up(env, 0);
        } else {
            // All tracks go the same way.
            self.hang_up(env);
            self.phase = Phase::Waiting { until: env.now().checked_add(Duration::ZERO) };
        }
        true
    }

    pub(super) fn handle_setup(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let Phase::SettingUp(mut setup) = phase else { return };
        let way = self.way_of(env, &mut setup, response);
        close(env, setup.sockets);
        match way {
            Ok(way) => {
                if let Some(track) = self.tracks.get_mut(setup.track) {
                    track.way = Some(way);
                }
                self.set_up(env, setup.track + 1);
            }
            Err(why) => self.lose(env, why),
        }
    }

    /// How a track goes, as the server has answered.
    fn way_of(
        &mut self,
        env: &mut UsageEnvironment,
        setup: &mut Setup,
        response: &Response<'_>,
    ) -> Result<Way, AttemptError> {
        let unusable = |why: &str| AttemptError::Response(Method::Setup, why.to_owned());
        let ends = self.client.as_ref().and_then(RtspClient::ends);
        let (server, _) = ends.ok_or(AttemptError::Disconnected(Disconnection::Closed))?;
        if self.session.is_none() {
            return Err(unusable("there is no session"));
        }
        let transport = response.headers.value("Transport");
        let odd = &mut Oddities::new();
        let transport = SetupTransport::of(transport, &setup.asked, server, odd)
            .map_err(|why| unusable(&why))?;
        match transport.chosen {
            Chosen::Tcp { channels } => {
                if self.config.transport == TransportPolicy::Udp {
                    return Err(unusable("the server offers TCP only"));
                }
                let track = u32::try_from(setup.track).unwrap_or(u32::MAX);
                if let Some(client) = &mut self.client {
                    client.bind_channels(channels, track);
                }
                Ok(Way::Tcp { channels })
            }
            Chosen::Udp { rtp, rtcp } => {
                let sockets =
                    setup.sockets.take().ok_or_else(|| unusable("UDP was not asked for"))?;
                if rtp.port() == 0 || rtcp.port() == 0 {
                    sockets.close(env);
                    return Err(unusable("the server names no ports"));
                }
                let mut sockets = Box::new(sockets);
                let index = u32::try_from(setup.track).unwrap_or(u32::MAX);
                let key = |kind| EventKey { kind, id: RawId { index, generation: 0 } };
                if let Err(e) = sockets.watch(env, self.me, [key(KEY_RTP), key(KEY_RTCP)]) {
                    sockets.close(env);
                    return Err(AttemptError::Io(e));
                }
                Ok(Way::Udp { sockets, rtp, rtcp })
            }
            Chosen::Multicast { .. } => Err(unusable("multicast was not asked for")),
        }
    }
}

fn close(env: &mut UsageEnvironment, sockets: Option<Sockets>) {
    if let Some(sockets) = sockets {
        sockets.close(env);
    }
}
