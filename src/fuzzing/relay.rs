//! Bodies for the `relay` room.

use crate::client::{Player, PlayerConfig, TransportPolicy};
use crate::env::UsageEnvironment;
use crate::fuzzing::client::{Peer, SERVER, pass};
use crate::net::TcpListener;
use crate::relay::{ProxyConfig, ProxyServerMediaSession, Pull};
use crate::server::{RtspServer, ServerConfig};
use crate::wire::Reader;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A proxy with a viewer, and a source that says and does what the input tells. Whatever that was,
/// the proxy comes back to a source that is new.
pub fn proxy(data: &[u8]) {
    let mut r = Reader::new(data);
    let mut env = UsageEnvironment::simulated(1);
    let mut listener = TcpListener::bind(&mut env, SERVER).expect("the address is free");
    let host = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
    let address = [SocketAddr::new(host, 554)];
    let server = RtspServer::new(&mut env, ServerConfig::default(), &address);
    let server = server.expect("the address is free");
    let mut config = ProxyConfig { pull: Pull::Always, ..ProxyConfig::default() };
    config.player.client.local_address = Some(host);
    let url = "rtsp://u:secret@10.0.0.1/x";
    let told = |_: &mut UsageEnvironment, event: crate::relay::ProxyEvent<'_>| {
        assert!(!event.to_string().contains("secret"), "{event}");
    };
    let session = ProxyServerMediaSession::open(&mut env, server, "x", url, config, told);
    let session = session.expect("it is fit to use");
    let mut config = PlayerConfig::default();
    config.client.local_address = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 4)));
    config.transport = TransportPolicy::Tcp;
    let viewer = Player::open(&mut env, "rtsp://10.0.0.3/x", config, |_, _| {});
    let viewer = viewer.expect("it is fit to use");
    let mut peer: Option<Peer> = None;
    for _ in 0..200 {
        let (Ok(what), Ok(with)) = (r.u8("operation"), r.u8("argument")) else { break };
        let time = if what & 128 == 0 { 5 } else { 50 * u64::from(with) };
        pass(&mut env, Duration::from_millis(time));
        if let Ok((stream, _)) = listener.accept(&mut env) {
            let before = peer.replace(Peer::new(stream));
            before.into_iter().for_each(|before| before.stream.close(&mut env));
        }
        let Some(source) = &mut peer else { continue };
        source.read(&mut env);
        if what % 8 < 7 {
            source.act(&mut env, (what, with), &mut r);
        } else if let Some(source) = peer.take() {
            source.stream.close(&mut env);
        }
    }
    // The source goes, and another comes.
    peer.into_iter().for_each(|peer| peer.stream.close(&mut env));
    listener.close(&mut env);
    pass(&mut env, Duration::from_secs(60));
    let mut listener = TcpListener::bind(&mut env, SERVER).expect("the address is free");
    pass(&mut env, Duration::from_secs(75));
    let (stream, _) = listener.accept(&mut env).expect("it comes back");
    stream.close(&mut env);
    listener.close(&mut env);
    env.close(session);
    let served = env.with(server, |server, _| server.relayed_stream_by_name("x"));
    assert_eq!(served.ok().flatten(), None, "the stream has ended with the proxy");
    env.close(viewer);
    env.close(server);
}
