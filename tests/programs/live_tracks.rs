//! The tracks that `live_source` has beside its video.

use super::client::Client;
use super::{LIVE_SOURCE, serves_and_ends};

#[test]
fn live_source_serves_pictures_and_metadata_beside_its_video() {
    let folder = tempfile::tempdir().expect("a folder");
    let document = "<?xml version=\"1.0\"?><tt:MetadataStream></tt:MetadataStream>";
    let path = folder.path().join("metadata.xml");
    std::fs::write(&path, document).expect("write it");
    let path = path.to_str().expect("text");
    let arguments = ["--mjpeg", "testdata/live/pictures.mjpeg", "--metadata", path];
    let sdp = serves_and_ends(&LIVE_SOURCE, &arguments, 2);
    for line in ["H264/90000", "m=video 0 RTP/AVP 26", "vnd.onvif.metadata/90000"] {
        assert!(sdp.contains(line), "{sdp}");
    }
    let mut running = LIVE_SOURCE.start(&arguments);
    let url = running.url();
    let mut client = Client::connect(&url);
    client.play_track(3);
    let packet = client.wait_for_rtp();
    assert_eq!(packet[1] & 0x80, 0x80, "the document ends with it");
    assert_eq!(&packet[12..], document.as_bytes());
    let mut client = Client::connect(&url);
    client.play_track(2);
    let packet = client.wait_for_rtp();
    assert_eq!(packet[1] & 0x7f, 26);
    let refused = LIVE_SOURCE.output(&["--mjpeg", path]);
    assert!(!refused.status.success());
}
