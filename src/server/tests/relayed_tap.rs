//! Taps of relayed streams.

use super::relayed::{Camera, pcmu};
use super::world::World;
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::server::{RelayTap, RelayedStreamOptions, SourceChange};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Tells what it is told.
struct Listener(Sender<String>);

impl Listener {
    fn boxed() -> (Option<Box<dyn RelayTap>>, Receiver<String>) {
        let (sender, told) = channel();
        (Some(Box::new(Self(sender))), told)
    }

    fn tell(&self, what: String) {
        let _ = self.0.send(what);
    }
}

impl RelayTap for Listener {
    fn source_described(&mut self, formats: &[PayloadFormat]) {
        let names: Vec<_> = formats.iter().map(|format| &*format.encoding_name).collect();
        self.tell(names.join(" "));
    }

    fn packet(&mut self, track: usize, packet: &ReceivedPacket<'_>) {
        self.tell(format!("{track}: {} bytes", packet.payload.len()));
    }

    fn source_lost(&mut self) {
        self.tell("lost".to_owned());
    }
}

fn told(told: &Receiver<String>) -> Vec<String> {
    told.try_iter().collect()
}

#[test]
fn a_tap_is_told_all_that_the_source_does_with_or_without_viewers() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, RelayedStreamOptions::new("cam"), true);
    let id = camera.id;
    let (tap, first) = Listener::boxed();
    assert!(w.serve(|server, _| server.set_relay_tap(id, tap)));
    assert_eq!(told(&first), ["H264 PCMU"], "the source is there already");
    camera.picture = 1;
    camera.run(&mut w, 1);
    assert_eq!(told(&first), ["1: 320 bytes", "0: 1300 bytes"]);
    let viewer = w.playing("/cam", 2, false);
    camera.run(&mut w, 1);
    assert_eq!(told(&first), ["1: 320 bytes", "0: 1300 bytes"]);
    camera.vanish(&mut w);
    camera.send_sound(&mut w);
    assert_eq!(told(&first), ["lost"], "what no source sends is dropped");
    assert_eq!(camera.describe(&mut w), SourceChange::SameCodecs);
    camera.tracks = vec![pcmu()];
    assert_eq!(camera.describe(&mut w), SourceChange::OtherCodecs);
    assert_eq!(told(&first), ["H264 PCMU", "PCMU"]);
    // Another one in its place, and none.
    let (tap, second) = Listener::boxed();
    assert!(w.serve(|server, _| server.set_relay_tap(id, tap)));
    assert!(first.recv().is_err(), "it was dropped");
    camera.send(&mut w, 0, &[vec![0xff; 160]]);
    assert_eq!(told(&second), ["PCMU", "0: 160 bytes"]);
    assert!(w.serve(|server, _| server.set_relay_tap(id, None)));
    camera.send(&mut w, 0, &[vec![0xff; 160]]);
    assert!(second.recv().is_err());
    let _ = viewer;
}

#[test]
fn a_tap_ends_with_its_stream() {
    let mut w = World::new();
    let camera = Camera::new(&mut w, RelayedStreamOptions::new("cam"), false);
    let id = camera.id;
    let (tap, of_stream) = Listener::boxed();
    assert!(w.serve(|server, _| server.set_relay_tap(id, tap)));
    assert!(w.serve(|server, env| server.remove_relayed_stream(env, id)));
    assert_eq!(told(&of_stream), ["H264"]);
    assert!(of_stream.recv().is_err());
    let (tap, late) = Listener::boxed();
    assert!(!w.serve(|server, _| server.set_relay_tap(id, tap)));
    assert!(late.recv().is_err());
}
