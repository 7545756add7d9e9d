//! Publishers that go, come back, and take each other's place.

use super::publisher::{GROUP, SDP, open_world};
use super::world::{C, World, secs};
use crate::server::{RelayedStreamOptions, SecondPublisher};

/// The pictures of a viewer since the last call, whose packets go on from those before.
#[track_caller]
fn more_pictures(w: &mut World, viewer: C) -> Vec<u32> {
    let track = w[viewer].track(1);
    for pair in track.rtp.windows(2) {
        assert_eq!(pair[0].ssrc, pair[1].ssrc);
        let ahead = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(ahead < u32::MAX / 2, "time goes on: {pair:?}");
    }
    let frames = track.frames();
    let last = track.rtp.last().copied();
    w[viewer].forget_media();
    let client = &mut w[viewer];
    if let (Some(track), Some(last)) = (client.tracks.iter_mut().find(|t| t.number == 1), last) {
        track.rtp.push(super::client::Rtp { frame: None, ..last });
    }
    frames
}

#[test]
fn viewers_go_on_when_a_publisher_comes_back() {
    for tcp in [false, true] {
        let mut w = open_world(|publish| publish.timeout = secs(3.0));
        let first = w.publisher("/cam", tcp);
        w.publish(first, 0..1);
        let viewers = [w.viewer("/cam", false), w.viewer("/cam", true)];
        w.publish(first, 10..20);
        w.leave(first);
        w.run_secs(if tcp { 0.5 } else { 4.0 });
        assert_eq!(w.census().0, 2, "the publisher's loss is noticed");
        for viewer in viewers {
            assert_eq!(more_pictures(&mut w, viewer), (10..20).collect::<Vec<_>>());
        }
        w.run_secs(5.0);
        let second = w.publisher("/cam", !tcp);
        // It begins in the middle of a group.
        w.publish(second, 3..2 * GROUP + 5);
        for viewer in viewers {
            let expected: Vec<_> = (GROUP..2 * GROUP + 5).collect();
            assert_eq!(more_pictures(&mut w, viewer), expected, "tcp {tcp}");
            assert_eq!(w[viewer].track(1).byes(), 0);
        }
        w.check();
        w.expect_nothing_left();
    }
}

#[test]
fn viewers_leave_when_no_publisher_comes_back() {
    let mut w = open_world(|publish| publish.kept_for = secs(5.0));
    let publisher = w.publisher("/cam", true);
    w.publish(publisher, 0..1);
    let viewer = w.viewer("/cam", true);
    w.publish(publisher, 10..12);
    w.leave(publisher);
    w.run_secs(4.5);
    assert_eq!(w[viewer].track(1).byes(), 0);
    w.run_secs(1.0);
    assert_eq!(w[viewer].track(1).byes(), 1, "it is over");
    let late = w.client();
    w.describe(late, "/cam").expect(404);
    // The name is free.
    let publisher = w.publisher("/cam", true);
    w.publish(publisher, 0..1);
    w.describe(late, "/cam").expect(200);
    w.expect_nothing_left();
}

#[test]
fn a_second_publisher_is_refused_while_the_first_is_there() {
    let mut w = open_world(|_| {});
    let first = w.publisher("/cam", true);
    w.publish(first, 0..2);
    let second = w.client();
    let answer = w.announce(second, "/cam", SDP).expect(455);
    assert!(answer.value("Session").is_none());
    w.announce(second, "/other", SDP).expect(200);
    w[second].session = None;
    w.teardown(first, "/cam");
    w.announce(second, "/cam", SDP).expect(200);
    w.expect_nothing_left();
}

#[test]
fn a_second_publisher_takes_over_where_that_is_configured() {
    for tcp in [false, true] {
        let mut w = open_world(|publish| publish.second = SecondPublisher::TakeOver);
        let first = w.publisher("/cam", tcp);
        w.publish(first, 0..1);
        let viewer = w.viewer("/cam", true);
        w.publish(first, 10..15);
        let second = w.publisher("/cam", tcp);
        assert_eq!(w.census().0, 2);
        w.publish(second, 10..20);
        let pictures = more_pictures(&mut w, viewer);
        assert_eq!(pictures, (10..15).chain(10..20).collect::<Vec<_>>());
        w.request(first, "RECORD", "/cam", &[]).expect(454);
        w.check();
        w.expect_nothing_left();
    }
}

#[test]
fn who_takes_over_may_be_said_for_each_stream() {
    for second in [SecondPublisher::Refuse, SecondPublisher::TakeOver] {
        let mut w = open_world(|publish| {
            let other = match second {
                SecondPublisher::Refuse => SecondPublisher::TakeOver,
                SecondPublisher::TakeOver => SecondPublisher::Refuse,
            };
            publish.second = second;
            publish.second_of.insert("cam/2".to_owned(), other);
        });
        let takes_over = second == SecondPublisher::TakeOver;
        for (path, taken) in [("/cam", takes_over), ("/cam/2", !takes_over)] {
            let first = w.publisher(path, true);
            let second = w.client();
            w.announce(second, path, SDP).expect(if taken { 200 } else { 455 });
            let status = if taken { 454 } else { 200 };
            w.request(first, "PAUSE", path, &[]).expect(status);
        }
        // At run time, too.
        w.serve(|server, _| server.publish_config_mut().second_of.clear());
        let third = w.client();
        w.announce(third, "/cam/2", SDP).expect(if takes_over { 200 } else { 455 });
        w.expect_nothing_left();
    }
}

#[test]
fn a_stream_that_was_declared_is_taken_over_too() {
    let mut w = open_world(|publish| publish.second = SecondPublisher::TakeOver);
    let cam = RelayedStreamOptions::new("cam").with_publishers();
    w.serve(|server, env| server.add_relayed_stream(env, cam)).unwrap();
    let first = w.publisher("/cam", true);
    w.publish(first, 0..1);
    let viewer = w.viewer("/cam", true);
    w.publish(first, 10..15);
    let second = w.publisher("/cam", true);
    w.publish(second, 10..20);
    let pictures = more_pictures(&mut w, viewer);
    assert_eq!(pictures, (10..15).chain(10..20).collect::<Vec<_>>());
    w.request(first, "RECORD", "/cam", &[]).expect(454);
    w.check();
}

#[test]
fn a_publisher_over_udp_without_its_connection_gives_way() {
    let mut w = open_world(|_| {});
    let first = w.publisher("/cam", false);
    w.publish(first, 0..2);
    w.leave(first);
    w.run_secs(0.2);
    assert_eq!(w.census().0, 1, "it may go on without");
    w.publish(first, 2..4);
    let second = w.publisher("/cam", false);
    w.publish(second, 0..2);
    assert_eq!(w.census().0, 1);
    w.check();
    w.expect_nothing_left();
}

#[test]
fn a_publisher_that_pauses_and_leaves_ends_by_time() {
    let mut w = open_world(|_| {});
    let first = w.publisher("/cam", false);
    w.publish(first, 0..2);
    w.request(first, "PAUSE", "/cam", &[]).expect(200);
    w.run_secs(30.0);
    assert_eq!(w.census().0, 1, "a pause takes as long as it takes");
    w.leave(first);
    w.run_secs(9.0);
    assert_eq!(w.census().0, 1, "it may come back with another connection");
    w.run_secs(2.0);
    assert_eq!(w.census().0, 0);
    w.expect_nothing_left();
}

#[test]
fn a_publisher_whose_host_is_gone_ends_by_time() {
    let mut w = open_world(|_| {});
    let first = w.publisher("/cam", true);
    w.publish(first, 0..2);
    let host = w[first].address.ip();
    w.network().vanish(host);
    w.run_secs(9.0);
    assert_eq!(w.census().0, 1);
    w.run_secs(2.0);
    assert_eq!(w.census().0, 0);
    w.network().come_back(host);
    w.expect_nothing_left();
}

#[test]
fn a_description_may_be_announced_again() {
    let mut w = open_world(|_| {});
    let c = w.client();
    w.announce(c, "/cam", SDP).expect(200);
    let session = w[c].session.clone();
    w.setup_record(c, "/cam/streamid=0", 1, true);
    // Before RECORD all is described and set up anew.
    let only_sound = "v=0\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\n";
    w.announce(c, "/cam", only_sound).expect(200);
    assert_eq!(w[c].session, session);
    w.request(c, "RECORD", "/cam", &[]).expect(455);
    w.setup_record(c, "/cam/a", 2, true);
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    w.publish(c, 0..5);
    // Afterwards the tracks stay those that they are.
    w.announce(c, "/cam", SDP).expect(455);
    w.announce(c, "/cam", only_sound).expect(200);
    w.announce(c, "/cam2", only_sound).expect(455);
    w.publish(c, 5..10);
    assert_eq!(w.census().0, 1);
    w.expect_nothing_left();
}

#[test]
fn a_stream_of_the_application_waits_for_its_publishers() {
    let mut w = open_world(|_| {});
    w.serve(|server, env| {
        let cam = RelayedStreamOptions::new("cam").with_kept_for(secs(3.0)).with_publishers();
        server.add_relayed_stream(env, cam).unwrap();
        server.add_relayed_stream(env, "pulled").unwrap();
    });
    let viewer = w.client();
    w.ask(viewer, "DESCRIBE", "/cam", &[]);
    w.run_secs(1.0);
    assert!(w[viewer].answers.is_empty(), "it waits");
    let publisher = w.publisher("/cam", true);
    let described = w.answer(viewer).expect(200).body();
    assert!(described.contains("H264"), "{described}");
    w.publish(publisher, 0..3);
    let other = w.client();
    w.announce(other, "/cam", SDP).expect(455);
    w.announce(other, "/pulled", SDP).expect(405);
    w.leave(publisher);
    w.run_secs(40.0);
    // It stays, without a source.
    w.ask(viewer, "DESCRIBE", "/cam", &[]);
    w.run_secs(1.0);
    let publisher = w.publisher("/cam", false);
    w.answer(viewer).expect(200);
    w.publish(publisher, 0..3);
    w.check();
    w.expect_nothing_left();
}
