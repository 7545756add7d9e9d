//! ANNOUNCE and RECORD: a client that sends.

use crate::camera::{Camera, SDP, framed, rtp};
use crate::requests::{Asking, asking};
use crate::world::{SERVER, client_config};
use riverrun::client::{ClientEvent, requests};
use riverrun::wire::Oddities;
use riverrun::wire::rtsp::{
    Delivery, Method, Protocol, Request, Response, SessionHeader, TransportSpec,
};

const URL: &str = "rtsp://10.0.0.1/live";

/// The response to a request that is sent.
#[track_caller]
fn answer(asking: &mut Asking, request: Request<'static>) -> Response<'static> {
    let id = asking.with(|client, env| client.send(env, request));
    let news = asking.news(0.5);
    let response = news.into_iter().find_map(|news| match news {
        ClientEvent::Response { request, response } if request == id => Some(response),
        _ => None,
    });
    response.expect("a response")
}

#[test]
fn a_stream_is_announced_set_up_and_recorded() {
    let mut asking = asking(client_config());
    let camera = Camera::open(&mut asking.world.env, SERVER, |request, _| {
        if request.method == Method::Setup {
            let mode = request.headers.value("Transport").unwrap_or_default();
            assert!(mode.contains("mode=\"RECORD\""), "{mode}");
        }
    });
    asking.server(URL);
    let announced = answer(&mut asking, requests::announce(URL, None, SDP));
    assert!(announced.status.is_success());
    // Over TCP and over UDP.
    let mut tcp = TransportSpec::new(Protocol::RtpAvpTcp, Delivery::Unicast);
    tcp.interleaved = Some((0, 1));
    let mut udp = TransportSpec::new(Protocol::RtpAvp, Delivery::Unicast);
    udp.client_port = Some((6000, 6001));
    let mut session = None;
    for (track, mut transport) in [("track1", tcp), ("track2", udp)] {
        transport.mode = Some("RECORD".to_owned());
        let url = format!("{URL}/{track}");
        let setup = requests::setup(&url, session.as_deref(), &transport);
        let response = answer(&mut asking, setup);
        let odd = &mut Oddities::new();
        let chosen = response.headers.value("Transport").unwrap();
        let chosen = TransportSpec::of_answer(chosen, odd).unwrap();
        assert!(chosen.is_record());
        match track {
            "track1" => assert_eq!(chosen.interleaved, Some((0, 1))),
            _ => assert_eq!(chosen.server_port, Some((7004, 7005))),
        }
        let id = SessionHeader::of_answer(response.headers.value("Session").unwrap(), odd);
        session = Some(id.unwrap().id.to_owned());
    }
    let session = session.as_deref();
    let range = "npt=0-".parse().ok();
    assert!(answer(&mut asking, requests::record(URL, session, range)).status.is_success());
    let packet = rtp(96, 1, 0, 9);
    asking.with(|client, env| client.send_packet(env, 0, &packet));
    asking.news(0.5);
    assert!(answer(&mut asking, requests::pause(URL, session)).status.is_success());
    assert!(answer(&mut asking, requests::teardown(URL, session)).status.is_success());
    let camera = asking.world.env.medium(camera).unwrap();
    let methods = ["ANNOUNCE", "SETUP", "SETUP", "RECORD", "PAUSE", "TEARDOWN"];
    assert_eq!(camera.methods(), methods);
    let announce = &camera.asked[0];
    assert_eq!(announce.headers.value("Content-Type"), Some("application/sdp"));
    assert_eq!(&*announce.body, SDP.as_bytes());
    assert_eq!(camera.asked[3].headers.value("Range"), Some("npt=0.000-"));
    assert!(camera.asked[2..].iter().all(|r| r.headers.value("Session") == Some("12345678")));
    assert_eq!(framed(camera.packets[0].0, &camera.packets[0].1), framed(0, &packet));
}

#[test]
fn a_refusal_of_announce_is_a_response() {
    let mut asking = asking(client_config());
    Camera::open(&mut asking.world.env, SERVER, |_, reply| reply.refuse("403 Forbidden"));
    asking.server(URL);
    let response = answer(&mut asking, requests::announce(URL, None, SDP));
    assert_eq!(response.status.code(), 403);
}

#[test]
fn parameters_are_asked_for_and_set() {
    let mut asking = asking(client_config());
    let camera = Camera::open(&mut asking.world.env, SERVER, |request, reply| {
        if request.method == Method::GetParameter {
            reply.set("Content-Type", "text/parameters");
            reply.body = b"jitter: 5\r\n".to_vec();
        }
    });
    asking.server(URL);
    let got = answer(&mut asking, requests::get_parameter(URL, Some("1"), &["jitter"]));
    assert_eq!(&*got.body, b"jitter: 5\r\n");
    let set = requests::set_parameter(URL, Some("1"), &[("pan", "5"), ("tilt", "6")]);
    assert!(answer(&mut asking, set).status.is_success());
    let camera = asking.world.env.medium(camera).unwrap();
    assert_eq!(&*camera.asked[0].body, b"jitter\r\n");
    assert_eq!(&*camera.asked[1].body, b"pan: 5\r\ntilt: 6\r\n");
}
