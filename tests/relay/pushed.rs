//! Streams that one relay pushes to another.

use crate::peers::{Publisher, Relay, Viewer};
use nix::sys::signal::Signal;
use std::fs;

const LISTEN: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n";

#[test]
fn a_stream_is_pushed_to_another_relay_and_the_configuration_says_where() {
    let far = Relay::start(&["--port", "0"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("relay.toml");
    let write = |text: &str| fs::write(&file, format!("{LISTEN}{text}")).expect("write");
    let to = |url: &str| format!("[stream.cam]\npush.to = {url:?}\n");
    write(&to(&far.url("one")));
    let device = Relay::start(&[file.to_str().expect("its path is text")]);
    device.await_log("cam: to 127.0.0.1:", 1);
    device.await_log("waiting for the stream: 404", 1);
    // It is pushed as soon as it is there, however long it was not.
    let publisher = Publisher::start(&device, "cam", 5_000_000);
    device.await_log("pushing 1 track over TCP", 1);
    far.await_log("one: source up", 1);
    let mut viewer = Viewer::play(&far, "one");
    let first = viewer.rtp().expect("it is pushed");
    let next = viewer.rtp().expect("it goes on");
    assert_eq!(next.timestamp, first.timestamp.wrapping_add(160));
    // The publisher at the device is not touched by where it is pushed to.
    write(&to(&far.url("two")));
    device.signal(Signal::SIGHUP);
    device.await_log("read again, streams: 1 changed", 1);
    far.await_log("one: source lost", 1);
    far.await_log("two: source up", 1);
    assert!(Viewer::play(&far, "two").rtp().is_some());
    write("");
    device.signal(Signal::SIGHUP);
    far.await_log("two: source lost", 1);
    assert!(!device.log().contains("cam: source lost"), "{}", device.log());
    drop(publisher);
    let (status, log) = device.end();
    assert!(status.success(), "{log}");
}

#[test]
fn a_server_that_comes_back_has_the_stream_again() {
    let far = Relay::start(&["--port", "0"]);
    let (port, url) = (far.address.port().to_string(), far.url("cam"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("relay.toml");
    let text = format!("{LISTEN}[stream.cam]\npush.to = [{url:?}]\n");
    fs::write(&file, text).expect("write");
    let device = Relay::start(&[file.to_str().expect("its path is text")]);
    let _publisher = Publisher::start(&device, "cam", 0);
    device.await_log("pushing 1 track", 1);
    assert!(Viewer::play(&far, "cam").rtp().is_some());
    drop(far);
    device.await_log("the server is lost: ", 1);
    device.await_log("trying again", 1);
    let far = Relay::start(&["--port", &port]);
    device.await_log("pushing 1 track over TCP, back after", 1);
    assert!(Viewer::play(&far, "cam").rtp().is_some());
}
